import { displayText } from '#base/bytes';
import { FormatError, IntegrityError } from '#base/errors';
import { SplitdirfdReader, type SplitdirfdRecord } from '#formats/splitdirfdstream';
import { type HostFile, OPEN, openBeneath, statFd } from '#host';
import type { SplitFile, SplitLayer, SplitPart } from './split-layer.ts';

/**
 * A layer as another program hands it out: a splitdirfdstream, and the directories that its names begin at. It can be read once. Links in
 * names never lead out of their directory.
 */
export class StreamLayer implements SplitLayer {
  readonly #stream: AsyncIterable<Uint8Array>;
  readonly #directories: readonly SplitFile['directory'][];
  readonly #explain: (error: unknown) => unknown;

  /**
   * @param directories stay the caller's, who closes them after this was disposed
   * @param explain says what became of the program at the other end, where that is why the layer could not be read
   */
  constructor(
    stream: AsyncIterable<Uint8Array>,
    directories: readonly SplitFile['directory'][],
    explain: (error: unknown) => unknown = (error) => error,
  ) {
    this.#stream = stream;
    this.#directories = directories;
    this.#explain = explain;
  }

  async *parts(): AsyncGenerator<Iterable<SplitPart>> {
    const reader = new SplitdirfdReader();
    for await (const piece of this.#stream) yield this.#partsOf(reader.push(piece));
    reader.end();
  }

  *#partsOf(records: Iterable<SplitdirfdRecord>): Generator<SplitPart> {
    for (const record of records) {
      if (record.kind === 'structure') yield { kind: 'segment', bytes: record.bytes };
      else if (record.kind === 'file') {
        const { name, sizeBytes } = record;
        const directory = this.#directories[record.directory];
        if (directory === undefined) throw noDirectory(record.directory, this.#directories.length);
        if (sizeBytes > 0) yield { kind: 'file', directory, path: name, sizeBytes };
      } else if (record.bytes.length > 0) yield { kind: 'bytes', bytes: record.bytes };
    }
  }

  open({ directory, path, sizeBytes }: SplitFile): HostFile {
    const file = openBeneath(directory, path, OPEN.read | OPEN.nonBlock, 'in-root');
    const stat = statFd(file);
    if (stat.type === 'file' && stat.sizeBytes === sizeBytes) return file;
    file[Symbol.dispose]();
    const found = `${stat.type} of ${stat.sizeBytes}`;
    throw new IntegrityError(
      'TAR_SPLIT_CONTENT_MISMATCH',
      `Cannot rebuild tar: content of ${JSON.stringify(displayText(path))}: expected ${sizeBytes} bytes, found ${found}`,
      { expected: `${sizeBytes} bytes`, found, name: displayText(path) },
    );
  }

  explain(error: unknown): unknown {
    return this.#explain(error);
  }

  [Symbol.dispose](): void {}
}

function noDirectory(index: number, count: number): FormatError {
  return new FormatError(
    'SPLIT_STREAM_INVALID',
    `Cannot read layer stream: expected one of ${count} directories, found index ${index}`,
    { offset: 0, what: 'splitdirfdstream', expected: `below ${count}`, found: `${index}` },
  );
}
