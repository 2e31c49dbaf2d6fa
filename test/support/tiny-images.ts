import { byteStringFromText } from '#base/bytes';
import type { TarMemberSource } from '#formats/tar';
import { type SampleCompression, writeSampleImage } from '../../tools/sample-image.ts';

/** A file, directory or whiteout of a tiny layer: directories end with a slash. */
export type TinyFiles = Readonly<Record<string, string>>;

/** One tiny layer. */
export interface TinyLayer {
  readonly files: TinyFiles;
  readonly compression?: SampleCompression;
}

const MTIME_SEC = 1_700_000_000n;

/** Writes an image of a few small files into the layout at `path`; returns the reference to pull it by and its manifest's digest. */
export async function writeTinyImage(
  path: string,
  tag: string,
  layers: readonly TinyLayer[],
): Promise<{ readonly reference: string; readonly digest: string }> {
  const samples = layers.map(({ files, compression = 'gzip' }) => ({
    members: Object.entries(files).map(([name, text]) => memberOf(name, text)),
    compression,
  }));
  const { manifestDigest } = await writeSampleImage(path, tag, samples);
  return { reference: `oci:${path}:${tag}`, digest: manifestDigest };
}

function memberOf(name: string, text: string): TarMemberSource {
  const common = { path: byteStringFromText(name), mtimeSec: MTIME_SEC };
  if (name.endsWith('/')) return { member: { type: 'directory', mode: 0o755, ...common } };
  const content = Buffer.from(text);
  const member = { type: 'file', mode: 0o644, sizeBytes: content.length, ...common } as const;
  return { member, content: [content] };
}
