// The JSON documents of an OCI image layout, as plain data.
import { createHash } from 'node:crypto'

export type Blob = { readonly digest: string; readonly bytes: number }

export type ImageRecipe = {
  readonly name: string
  readonly layers: readonly Blob[]
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
}

export type Document = Blob & { readonly text: string }

const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  // Not compressed: nothing travels further than a pipe.
  layer: 'application/vnd.oci.image.layer.v1.tar',
}

const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

function document(value: unknown): Document {
  const text = JSON.stringify(value)
  return { text, bytes: Buffer.byteLength(text), digest: `sha256:${createHash('sha256').update(text).digest('hex')}` }
}

export function imageConfig(recipe: ImageRecipe): Document {
  return document({
    architecture: 'amd64',
    os: 'linux',
    config: {
      Env: [path],
      ...(recipe.entrypoint ? { Entrypoint: recipe.entrypoint } : {}),
      ...(recipe.command ? { Cmd: recipe.command } : {}),
    },
    rootfs: { type: 'layers', diff_ids: recipe.layers.map((layer) => layer.digest) },
  })
}

export function imageManifest(recipe: ImageRecipe, config: Blob): Document {
  return document({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: descriptor(mediaTypes.config, config),
    layers: recipe.layers.map((layer) => descriptor(mediaTypes.layer, layer)),
  })
}

function descriptor(mediaType: string, blob: Blob): object {
  return { mediaType, digest: blob.digest, size: blob.bytes }
}

export type NamedManifest = { readonly name: string; readonly manifest: Blob }

export function imageIndex(images: readonly NamedManifest[]): object {
  return {
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: images.map(({ name, manifest }) => ({
      ...descriptor(mediaTypes.manifest, manifest),
      annotations: { 'io.containerd.image.name': name },
      platform: { architecture: 'amd64', os: 'linux' },
    })),
  }
}
