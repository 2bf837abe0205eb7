// The lab's own certificate authority and the certificates it gives.
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

// The library's types mean the browser's Crypto; Node's is the same thing.
x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0])

type Keys = webcrypto.CryptoKeyPair

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const dayMs = 24 * 3600 * 1000
// A lab is thrown away; a year is enough, and a day before allows for clocks that differ.
const validDays = 365

export type KeyPair = { readonly certificate: string; readonly key: string }
export type Subject = { readonly name: string; readonly groups?: readonly string[] }
type Addresses = { readonly ips: readonly string[]; readonly names: readonly string[] }

export type Authority = {
  readonly pair: KeyPair
  // For clients; with addresses also for servers.
  issue(subject: Subject, addresses?: Addresses): Promise<KeyPair>
}

export async function createAuthority(name: string): Promise<Authority> {
  const keys = await generateKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...common({ name }),
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return {
    pair: { certificate: pem(certificate), key: await exportKey(keys) },
    issue: (subject, addresses) => issue(certificate, keys, subject, addresses),
  }
}

async function issue(issuer: x509.X509Certificate, issuerKeys: Keys, subject: Subject, addresses?: Addresses): Promise<KeyPair> {
  const keys = await generateKeys()
  const usages = ['1.3.6.1.5.5.7.3.2', ...(addresses ? ['1.3.6.1.5.5.7.3.1'] : [])]
  const certificate = await x509.X509CertificateGenerator.create({
    ...common(subject),
    issuer: issuer.subjectName.toJSON(),
    publicKey: keys.publicKey,
    signingKey: issuerKeys.privateKey,
    extensions: [
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(usages),
      await x509.AuthorityKeyIdentifierExtension.create(issuerKeys.publicKey),
      ...(addresses ? [alternativeNames(addresses)] : []),
    ],
  })
  return { certificate: pem(certificate), key: await exportKey(keys) }
}

function alternativeNames({ ips, names }: Addresses): x509.SubjectAlternativeNameExtension {
  return new x509.SubjectAlternativeNameExtension([
    ...ips.map((value) => ({ type: 'ip' as const, value })),
    ...names.map((value) => ({ type: 'dns' as const, value })),
  ])
}

function common({ name, groups = [] }: Subject) {
  const now = Date.now()
  return {
    serialNumber: randomSerial(),
    subject: [...groups.map((group) => ({ O: [group] })), { CN: [name] }],
    notBefore: new Date(now - dayMs),
    notAfter: new Date(now + validDays * dayMs),
    signingAlgorithm: algorithm,
  }
}

// Positive and never with a leading zero byte, which strict parsers refuse.
function randomSerial(): string {
  const bytes = Buffer.from(webcrypto.getRandomValues(new Uint8Array(12)))
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f)
  return bytes.toString('hex')
}

function generateKeys(): Promise<Keys> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`
}

async function exportKey(keys: Keys): Promise<string> {
  const bytes = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return `${x509.PemConverter.encode(bytes, 'PRIVATE KEY')}\n`
}
