/**
 * Pulls images that were made to take time, memory or disk, each in a process of its own, and prints a table of what became of them. Run
 * by `npm run hostile`, with a part of a name for some of them; SECURITY.md holds its output. `--small` makes everything a hundredth, to try
 * the tool itself.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createGzip, createZstdCompress } from 'node:zlib';
import { testPaxRecord, testTarHeader } from '../test/support/tar-archive.ts';

const ONECOPY = fileURLToPath(new URL('../bin/onecopy', import.meta.url));
const SCALE = process.argv.includes('--small') ? 100 : 1;
const WANTED = process.argv.slice(2).filter((word) => word !== '--small');
const END = Buffer.alloc(1024);

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

interface HostileCase {
  readonly name: string;
  readonly compression: 'gzip' | 'zstd';
  readonly options?: readonly string[];
  readonly tar: () => Generator<Uint8Array>;
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** A member with these PAX records before it. */
function withPax(records: string, member: Uint8Array): Buffer {
  const header = testTarHeader({ name: 'x', flag: 'x', content: records });
  return Buffer.concat([header, padded(Buffer.from(records, 'latin1')), member]);
}

/** Empty files or directories, a thousand in each directory. */
function* entries(count: number, flag: string): Generator<Uint8Array> {
  for (let at = 0; at < count; at += 1) {
    yield testTarHeader({ name: `d${Math.floor(at / 1000)}/f${at}`, flag });
  }
  yield END;
}

function* repeated(count: number, make: (at: number) => Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < count; at += 1) yield make(at);
  yield END;
}

/** Files of zeros, 1 GiB each: their content is one object. */
function* zeros(files: number): Generator<Uint8Array> {
  const piece = new Uint8Array(1 << 20);
  const pieces = Math.ceil(1024 / SCALE);
  for (let at = 0; at < files; at += 1) {
    yield testTarHeader({ name: `zeros${at}`, statedSize: pieces * piece.length });
    for (let count = 0; count < pieces; count += 1) yield piece;
  }
  yield END;
}

const file = (name: string) => testTarHeader({ name });
const number = (at: number) => at.toString(36).padStart(6, '0');

const CASES: readonly HostileCase[] = [
  { name: '1,000,000 empty files', compression: 'gzip', tar: () => entries(1e6 / SCALE, '0') },
  { name: '1,000,000 directories', compression: 'gzip', tar: () => entries(1e6 / SCALE, '5') },
  {
    name: '4,100,000 empty files',
    compression: 'zstd',
    options: SCALE === 1 ? [] : ['--max-entries', `${4e6 / SCALE}`],
    tar: () => entries(4.1e6 / SCALE, '0'),
  },
  {
    name: '40,000 files with 64 KiB of attributes each',
    compression: 'zstd',
    options: SCALE === 1 ? [] : ['--max-entries', `${4e6 / SCALE}`],
    tar: () =>
      repeated(4e4 / SCALE, (at) => {
        const value = 'v'.repeat(65_000) + number(at);
        return withPax(testPaxRecord('SCHILY.xattr.user.a', value), file(`f${at}`));
      }),
  },
  {
    name: '20,000 paths of 2,000 directories that nothing describes',
    compression: 'zstd',
    options: SCALE === 1 ? [] : ['--max-entries', `${4e6 / SCALE}`],
    tar: () =>
      repeated(2e4 / SCALE, (at) => {
        return withPax(testPaxRecord('path', `${number(at)}/${'d/'.repeat(1999)}f`), file('f'));
      }),
  },
  {
    name: '10,000 files in a directory whose path has 500 KB',
    compression: 'zstd',
    tar: () =>
      repeated(1e4 / SCALE, (at) => {
        const folder = `${'n'.repeat(250)}/`.repeat(2000);
        return withPax(testPaxRecord('path', `${folder}${number(at)}`), file('f'));
      }),
  },
  {
    name: 'a directory 3,000 deep',
    compression: 'gzip',
    tar: () =>
      repeated(1, () => withPax(testPaxRecord('path', `${'d/'.repeat(3000)}f`), file('f'))),
  },
  {
    name: '200,000 whiteouts of one large directory of the same layer',
    compression: 'zstd',
    tar: () => repeated(4e5 / SCALE, (at) => file(at % 2 === 0 ? `d/f${at}` : '.wh.d')),
  },
  { name: '16 GiB of zeros in gzip', compression: 'gzip', tar: () => zeros(16) },
  { name: '16 GiB of zeros in zstd', compression: 'zstd', tar: () => zeros(16) },
  {
    name: 'a sparse file of 1 PiB',
    compression: 'gzip',
    tar: () =>
      repeated(1, () => {
        const records = [
          testPaxRecord('GNU.sparse.size', `${2 ** 50}`),
          testPaxRecord('GNU.sparse.map', '0,0'),
        ];
        return withPax(records.join(''), file('sparse'));
      }),
  },
];

/** Writes a layout of one image with this one layer; everything streams. */
async function writeLayout(path: string, { tar, compression }: HostileCase): Promise<void> {
  const blobs = join(path, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const diffId = createHash('sha256');
  const digest = createHash('sha256');
  const packer = compression === 'gzip' ? createGzip({ level: 1 }) : createZstdCompress();
  let sizeBytes = 0;
  packer.on('data', (piece: Buffer) => {
    digest.update(piece);
    sizeBytes += piece.length;
  });
  const out = createWriteStream(join(blobs, 'layer'));
  const written = new Promise((resolve, reject) => out.on('close', resolve).on('error', reject));
  packer.pipe(out);
  for (const piece of joined(tar())) {
    diffId.update(piece);
    if (!packer.write(piece)) await new Promise((resolve) => packer.once('drain', resolve));
  }
  packer.end();
  await written;
  const layer = digest.digest('hex');
  renameSync(join(blobs, 'layer'), join(blobs, layer));
  const put = (value: unknown) => {
    const bytes = Buffer.from(JSON.stringify(value));
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(blobs, hex), bytes);
    return { digest: `sha256:${hex}`, size: bytes.length };
  };
  const type = 'application/vnd.oci.image';
  const config = put({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [`sha256:${diffId.digest('hex')}`] },
  });
  const manifest = put({
    schemaVersion: 2,
    mediaType: `${type}.manifest.v1+json`,
    config: { mediaType: `${type}.config.v1+json`, ...config },
    layers: [
      {
        mediaType: `${type}.layer.v1.tar+${compression}`,
        digest: `sha256:${layer}`,
        size: sizeBytes,
      },
    ],
  });
  const listed = { mediaType: `${type}.manifest.v1+json`, ...manifest };
  writeFileSync(
    join(path, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [listed] }),
  );
  writeFileSync(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

/** Small pieces as large ones: a compressor called for every header would take minutes. */
function* joined(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for (const piece of pieces) {
    held.push(piece);
    heldBytes += piece.length;
    if (heldBytes < 1 << 20) continue;
    yield Buffer.concat(held);
    held = [];
    heldBytes = 0;
  }
  yield Buffer.concat(held);
}

interface Outcome {
  readonly seconds: number;
  readonly peakBytes: number;
  readonly says: string;
}

async function pull(layout: string, repo: string, options: readonly string[]): Promise<Outcome> {
  const start = performance.now();
  const args = [
    '--repo',
    repo,
    '--json',
    '--progress',
    'none',
    'pull',
    ...options,
    `oci:${layout}`,
    'img',
  ];
  const child = spawn(ONECOPY, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece.toString();
  });
  let peakBytes = 0;
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, peakOf(child));
  }, 20);
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearInterval(timer);
  const code = /"code":"([A-Z_]+)"/.exec(stderr)?.[1];
  const says = status === 0 ? 'pulled' : `refused: ${code ?? `status ${status}`}`;
  return { seconds: (performance.now() - start) / 1000, peakBytes, says };
}

/** Peak resident memory so far; 0 when the process has ended. Source: proc_pid_status(5), VmHWM. */
function peakOf({ pid }: ChildProcess): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmHWM:\s+([0-9]+)/.exec(text)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

print('| input | blob | outcome | time | peak memory |\n|---|---|---|---|---|');
for (const hostile of CASES) {
  const { name } = hostile;
  if (WANTED.length > 0 && !WANTED.some((part) => name.includes(part))) continue;
  const folder = mkdtempSync(join(tmpdir(), 'onecopy-hostile-'));
  try {
    const layout = join(folder, 'layout');
    await writeLayout(layout, hostile);
    const { seconds, peakBytes, says } = await pull(
      layout,
      join(folder, 'repo'),
      hostile.options ?? [],
    );
    const memory = `${Math.round(peakBytes / 2 ** 20)} MiB`;
    print(
      `| ${hostile.name} | ${hostile.compression} | ${says} | ${seconds.toFixed(1)} s | ${memory} |`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}
