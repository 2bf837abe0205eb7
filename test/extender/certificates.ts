// A certificate authority for tests, and folders as the chart's secrets look when mounted.
import 'reflect-metadata'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const dayMs = 86_400_000

export interface TestAuthority {
  /** A folder with tls.crt, tls.key and ca.crt for this common name, also valid for 127.0.0.1. */
  issue(commonName: string): Promise<string>
  remove(): void
}

export async function testAuthority(): Promise<TestAuthority> {
  const folders: string[] = []
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const lifetime = { notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + dayMs) }
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    ...lifetime,
    serialNumber: '01',
    name: 'CN=test authority',
    keys,
    signingAlgorithm: algorithm,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  })
  return {
    issue: async (commonName) => {
      const own = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
      const certificate = await x509.X509CertificateGenerator.create({
        ...lifetime,
        subject: `CN=${commonName}`,
        issuer: authority.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.SubjectAlternativeNameExtension([
            { type: 'dns', value: commonName },
            { type: 'ip', value: '127.0.0.1' },
          ]),
        ],
      })
      const folder = mkdtempSync(join(tmpdir(), 'podmotion-tls-'))
      folders.push(folder)
      const key = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', own.privateKey), 'PRIVATE KEY')
      writeFileSync(join(folder, 'tls.crt'), certificate.toString('pem'))
      writeFileSync(join(folder, 'tls.key'), key)
      writeFileSync(join(folder, 'ca.crt'), authority.toString('pem'))
      return folder
    },
    remove: () => {
      for (const folder of folders) rmSync(folder, { recursive: true, force: true })
    },
  }
}
