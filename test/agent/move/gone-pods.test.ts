// Which folders of received pods are nobody's any more.
import { expect } from 'chai'
import { goneFolders } from '../../../src/agent/move/gone-pods.ts'

describe('folders of received pods', () => {
  it('go with the pod, and not before', () => {
    const logs = ['shop_cart-7_0f0e', 'shop_cart_1234']
    expect(goneFolders(['shop_cart-7', 'shop_cart-8', 'shop_cart'], logs, new Set())).to.deep.equal(['shop_cart-8'])
  })

  it('stay for a pod that is still to come', () => {
    expect(goneFolders(['shop_cart-8'], [], new Set(['shop_cart-8']))).to.deep.equal([])
  })
})
