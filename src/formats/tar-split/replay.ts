import { displayText, equalBytes } from '#base/bytes';
import { IntegrityError } from '#base/errors';
import { Crc64Iso } from './crc64-iso.ts';
import type { TarSplitRecord } from './record.ts';

/** A file record, as passed to {@link OpenTarSplitFile}. */
export type TarSplitFile = Extract<TarSplitRecord, { kind: 'file' }>;

/** Opens the content of a file. */
export type OpenTarSplitFile = (
  file: TarSplitFile,
) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * Rebuilds a tar: segments unchanged, and between them the content of every file, whose length and CRC-64 are verified. The
 * CRC finds mistakes, not attacks: the caller hashes the bytes and compares the diff id.
 * @throws IntegrityError TAR_SPLIT_CONTENT_MISMATCH; every error of the records and of `open`
 */
export async function* replayTarSplit(
  records: AsyncIterable<TarSplitRecord> | Iterable<TarSplitRecord>,
  open: OpenTarSplitFile,
): AsyncGenerator<Uint8Array> {
  for await (const record of records) {
    if (record.kind === 'segment') {
      if (record.bytes.length > 0) yield record.bytes;
    } else if (record.sizeBytes > 0) yield* checked(record, open(record));
  }
}

async function* checked(
  file: TarSplitFile,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const crc = new Crc64Iso();
  let found = 0;
  for await (const piece of content) {
    found += piece.length;
    if (found > file.sizeBytes) break;
    crc.update(piece);
    yield piece;
  }
  if (found !== file.sizeBytes) mismatch(file, `${file.sizeBytes} bytes`, `${found}`);
  const sum = crc.finish();
  if (file.crc === undefined || !equalBytes(sum, file.crc)) {
    mismatch(file, `CRC-64 ${hex(file.crc)}`, hex(sum));
  }
}

function hex(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? 'none' : Buffer.from(bytes).toString('hex');
}

function mismatch(file: TarSplitFile, expected: string, found: string): never {
  const name = displayText(file.name);
  throw new IntegrityError(
    'TAR_SPLIT_CONTENT_MISMATCH',
    `Cannot rebuild tar: content of ${JSON.stringify(name)}: expected ${expected}, found ${found}`,
    { expected, found, name },
  );
}
