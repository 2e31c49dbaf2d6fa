/** Hostile layers, pulled in parts by the program: exit codes and memory. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ChunkedFixture, readChunkedImage } from './chunked-layers.ts';
import { type EditableMetadata, metadataOf, withMetadata } from './chunked-metadata.ts';
import { HOSTILE_MEMBERS } from './hostile-members.ts';
import { LayoutRegistry } from './layout-registry.ts';
import { cliEnvironment, ONECOPY } from './run-cli.ts';
import { makeTempDir } from './temp-dir.ts';

const GOLDEN = fileURLToPath(new URL('../golden/chunked/', import.meta.url));
/** Most memory that a hostile layer may take, in bytes. */
const RSS_BYTES_MAX = 300_000_000;
const XATTRS_PER_ENTRY = 300_000;

/** Neighbours of a good layer whose TOC or tar-split is as large as the limits allow, or larger. */
const NEIGHBOURS: Readonly<Record<string, (metadata: EditableMetadata) => void>> = {
  'as many entries as may be, the last one twice': (metadata) => {
    more(metadata, (at) => ({ type: 'dir', name: `directory/${Math.min(at, 248_000)}/` }), 248_002);
  },
  'as many entries as may be, in no tar': (metadata) => {
    more(metadata, (at) => ({ type: 'dir', name: `directory/${at}/` }), 249_000);
  },
  'a million entries': (metadata) => {
    more(metadata, (at) => ({ type: 'dir', name: `${at}` }), 1_000_000);
  },
  'a file of as many chunks as may be, one byte short': (metadata) => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const file = { name: 'file', digest, size: 249_001, endOffset: 300_000 };
    more(
      metadata,
      (at) => {
        const chunk = { chunkSize: 1, chunkOffset: at, offset: at, chunkDigest: digest };
        return at === 0
          ? { type: 'reg', ...file, ...chunk }
          : { type: 'chunk', name: 'file', ...chunk };
      },
      249_000,
    );
  },
  'extended attributes without end': (metadata) => {
    const names = Array.from({ length: XATTRS_PER_ENTRY }, (_, at) => [at.toString(36), '']);
    const xattrs = Object.fromEntries(names);
    more(metadata, (at) => ({ type: 'dir', name: `${at}`, xattrs }), 36);
  },
  'names without end': (metadata) => {
    const name = 'n'.repeat(4_000_000);
    more(metadata, (at) => ({ type: 'dir', name: `${at}${name}` }), 37);
  },
  'a tar-split of one record without end': (metadata) => {
    metadata.records = [{ type: 2, payload: 'A'.repeat(400_000_000), position: 0 }];
  },
};

/** Adds entries to a TOC as text, so that they are not held here. */
function more(metadata: EditableMetadata, entry: (at: number) => object, count: number): void {
  metadata.rewrite = (text) => {
    const end = text.lastIndexOf(']');
    const pieces = [Buffer.from(text.slice(0, end))];
    for (let at = 0; at < count; at += 1) pieces.push(Buffer.from(`,${JSON.stringify(entry(at))}`));
    pieces.push(Buffer.from(text.slice(end)));
    return Buffer.concat(pieces);
  };
}

/** What became of a hostile layer. */
export interface HostileOutcome {
  readonly what: string;
  readonly status: number | null;
  readonly rssBytes: number;
  /** Why this is not as it should be. */
  readonly fault: string | undefined;
}

/** Names of all hostile layers: recorded ones, and neighbours that are made here. */
export function hostileLayers(): string[] {
  const recorded = ['neg', 'extra/neg'].flatMap((folder) =>
    readdirSync(join(GOLDEN, folder)).map((name) => `${folder}/${name}`),
  );
  return [...recorded, ...Object.keys(NEIGHBOURS), ...Object.keys(HOSTILE_MEMBERS)];
}

/** Pulls a hostile layer with `--strategy partial`: it is refused with exit code 6 or 7, or taken, in little memory. */
export async function pullHostile(what: string): Promise<HostileOutcome> {
  using temp = makeTempDir();
  const { make = neighbourOf(what), verdict } = HOSTILE_MEMBERS[what] ?? {};
  const layout = make === undefined ? join(GOLDEN, what) : join(temp.path, 'layout');
  if (make !== undefined) writeLayout(layout, make());
  await using registry = await LayoutRegistry.start(layout);
  const [repo, peaks] = [join(temp.path, 'repo'), join(temp.path, 'peaks')] as const;
  // Not the resource usage of the process: it begins with the memory of this one, which has just made the layer.
  const peak = `readFileSync('/proc/self/status','utf8').match(/VmHWM:\\s+(\\d+)/)[1]`;
  const tell = `import{appendFileSync,readFileSync}from'node:fs';process.on('exit',()=>appendFileSync(${JSON.stringify(peaks)},${peak}+'\\n'))`;
  const env = cliEnvironment({
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tell)}`,
  });
  const reference = `docker://${registry.host}/hostile:latest`;
  const child = spawn(ONECOPY, ['--repo', repo, 'pull', '--strategy', 'partial', reference, 'x'], {
    env,
    stdio: 'ignore',
  });
  const [status] = (await once(child, 'exit')) as [number | null];
  const rows = readFileSync(peaks, 'utf8').trim().split('\n');
  const rssBytes = 1024 * Math.max(...rows.map(Number));
  const isTaken = status === 0 && verdict !== 'refused';
  const isRefused = (status === 6 || status === 7) && verdict !== 'taken';
  const fault =
    !isTaken && !isRefused
      ? `it ends with status ${status}, and is to be ${verdict ?? 'taken or refused'}`
      : rssBytes > RSS_BYTES_MAX
        ? `it takes ${rssBytes} bytes of memory`
        : undefined;
  return { what, status, rssBytes, fault };
}

/** How a layer with changed metadata is made. */
function neighbourOf(what: string): (() => ChunkedFixture) | undefined {
  const change = NEIGHBOURS[what];
  if (change === undefined) return undefined;
  return () => {
    const [good] = readChunkedImage('neg/neg-ok');
    if (good === undefined) throw new Error('no layer');
    const metadata = metadataOf(good);
    change(metadata);
    return withMetadata(good, metadata);
  };
}

/** A layout of one image with one layer. */
function writeLayout(path: string, { blob, annotations, diffId }: ChunkedFixture): void {
  const blobs = join(path, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: Buffer, mediaType: string) => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const type = (name: string) => `application/vnd.oci.image.${name}`;
  const platform = { architecture: process.arch === 'arm64' ? 'arm64' : 'amd64', os: 'linux' };
  const rootfs = { type: 'layers', diff_ids: [diffId] };
  const config = put(Buffer.from(JSON.stringify({ ...platform, rootfs })), type('config.v1+json'));
  const layers = [{ ...put(blob, type('layer.v1.tar+zstd')), annotations }];
  const mediaType = type('manifest.v1+json');
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType, config, layers });
  const name = { 'org.opencontainers.image.ref.name': 'latest' };
  const manifests = [{ ...put(Buffer.from(manifest), mediaType), annotations: name }];
  writeFileSync(join(path, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}
