/** The verbs over the ways to a registry: what they bring is what skopeo has sent, and what they send is what skopeo reads, byte for byte. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { askVerb, type Json, quietContext } from './ask-verb.ts';
import type { Access, RegistryWay } from './registry-ways.ts';
import { WAYS } from './registry-ways.ts';
import { testTar } from './tar-archive.ts';
import { makeTempDir } from './temp-dir.ts';
import { noise, type TestLayer, type TestLayout, writeTestLayout } from './test-layout.ts';

/** What came of one way. */
export interface SeriesOutcome {
  readonly plannedBytes: number;
  /** Bytes of bodies, and of everything that passed the wire where it is counted. */
  readonly bodyBytes: number;
  readonly wireBytes: number;
  /** What went wrong, one line each. */
  readonly wrong: readonly string[];
}

/** Bytes that a pull may take beyond the plan, of bodies and, for heads, of the wire. */
const OVER_PLAN = 1.05;
const HEAD_BYTES = 40_000;

const TEXT = 'a file of the registry\n';

function layersOf(seed: number): TestLayer[] {
  const files = (first: number, count: number, sizeBytes: number) =>
    Array.from({ length: count }, (_, at) => ({
      name: `d${seed}-${first}/f${at}`,
      content: noise(sizeBytes, 1000 * seed + first + at),
    }));
  return [
    { tar: testTar(files(1, 13, 100_000)) },
    { tar: testTar(files(100, 4, 100_000)), compression: 'zstd' },
    { tar: testTar([{ name: 'hello.txt', content: Buffer.from(TEXT) }]) },
  ];
}

/** What is done after a pull. */
export type SeriesPart = 'push' | 'look' | 'copy';

/** Runs the verbs of registries over one way. */
export async function tryWay(
  name: string,
  parts: readonly SeriesPart[] = ['push', 'look', 'copy'],
): Promise<SeriesOutcome> {
  using temp = makeTempDir();
  const start = WAYS[name];
  if (start === undefined) throw new Error(`no way "${name}"`);
  await using way = await start(temp.path);
  const series = new Series(way, temp.path);
  const { plannedBytes, bodyBytes, wireBytes } = await series.pull();
  for (const part of parts) await series[part]();
  const wrong = [...series.wrong, ...(way.faults?.() ?? [])].map((line) => `${name}: ${line}`);
  return { plannedBytes, bodyBytes, wireBytes, wrong };
}

class Series {
  readonly wrong: string[] = [];
  readonly #way: RegistryWay;
  readonly #path: string;
  /** One image that skopeo sends, and one that is sent by us. */
  readonly #theirs: TestLayout;
  readonly #ours: TestLayout;

  constructor(way: RegistryWay, path: string) {
    this.#way = way;
    this.#path = path;
    this.#theirs = writeTestLayout(this.#at('theirs'), layersOf(1));
    this.#ours = writeTestLayout(this.#at('ours'), layersOf(2));
  }

  #at(name: string): string {
    return join(this.#path, name);
  }

  /** A reference by the way. */
  #ref(name: string): string {
    return `docker://${this.#way.host}/${name}`;
  }

  async pull() {
    const { manifestDigest, reference } = this.#theirs;
    await this.#skopeo('dest', reference, this.#direct('theirs/app:1'));
    const asked = { reference: this.#ref('theirs/app:1'), keepBlobs: true, names: ['app'] };
    const local = await this.#ask('run', 'pull', { reference, names: ['local'] }, 'other');
    const plan = await this.#ask('plan', 'pull', asked);
    const before = this.#received();
    const done = await this.#ask('run', 'pull', asked);
    const wireBytes = this.#received() - before;
    this.#equal('digest of the manifest', done['manifestDigest'], manifestDigest);
    this.#equal('id of the image', done['imageId'], local['imageId']);
    const plannedBytes = plan['fetchBytes'] as number;
    const { bodyBytes } = done['traffic'] as { readonly bodyBytes: number };
    const most = OVER_PLAN * plannedBytes;
    if (bodyBytes > most) this.#say(`${bodyBytes} bytes fetched, ${plannedBytes} planned`);
    if (wireBytes > most + HEAD_BYTES)
      this.#say(`${wireBytes} bytes on the wire, ${plannedBytes} planned`);
    const again = await this.#ask('run', 'pull', asked);
    const routes = (again['layers'] as Json[]).map(({ route }) => route);
    this.#equal('second pull', routes, ['present', 'present', 'present']);
    return { plannedBytes, bodyBytes, wireBytes };
  }

  /** Sends the image back, whose blobs are mounted, and another one, whose blobs are sent. */
  async push(): Promise<void> {
    const { reference, manifestDigest } = this.#ours;
    await this.#ask('run', 'pull', { reference, names: ['new'], keepBlobs: true });
    for (const [name, digest, way, target] of [
      ['app', this.#theirs.manifestDigest, 'mounted', 'ours/app:2'],
      ['new', manifestDigest, 'uploaded', 'ours/new:1'],
      ['new', manifestDigest, 'present', 'ours/new:2'],
    ] as const) {
      const request = { name, target: this.#ref(target), sameDigest: true };
      const done = await this.#ask('run', 'push', request);
      this.#equal(`digest of ${target}`, done['manifestDigest'], digest);
      const methods = (done['layers'] as Json[]).map(({ method }) => method);
      this.#equal(`layers of ${target}`, methods, [way, way, way]);
      await this.#readBySkopeo(target, digest === manifestDigest ? this.#ours : this.#theirs);
    }
  }

  async look(): Promise<void> {
    const name = this.#ref('theirs/app:1');
    const { manifestDigest } = this.#theirs;
    const { tags } = await this.#ask('run', 'tags', { reference: name });
    this.#equal('tags', tags, ['1']);
    const { manifestDigest: inspected } = await this.#ask('run', 'inspect', { name });
    this.#equal('inspect', inspected, manifestDigest);
    await this.#ask('run', 'history', { name });
    const referrers = await this.#ask('run', 'referrers', { reference: name });
    this.#equal('referrers', referrers, { subject: manifestDigest, referrers: [] });
    const { entries } = await this.#ask('run', 'ls', { name, recursive: true });
    this.#equal('ls', (entries as Json[]).length, 21);
    const written: Uint8Array[] = [];
    await this.#ask('run', 'cat', { name, paths: ['/hello.txt'] }, 'repo', written);
    this.#equal('cat', Buffer.concat(written).toString(), TEXT);
    await this.#ask('run', 'stat', { name, paths: ['/hello.txt'] });
    const found = await this.#ask('run', 'find', { name, fileName: 'f*' });
    this.#equal('find', (found['entries'] as Json[]).length, 17);
    await this.#ask('run', 'cp', { name, path: '/hello.txt', to: this.#at('hello') });
    this.#equal('cp', readFileSync(this.#at('hello'), 'utf8'), TEXT);
    const { changes } = await this.#ask('run', 'diff', { name: 'app', otherName: name });
    this.#equal('diff', changes, []);
  }

  /** Out of the registry, into it, and within it. */
  async copy(): Promise<void> {
    const { access } = this.#way;
    const { registriesConf } = access;
    const [src, dest] = [forEnd('src', access), forEnd('dest', access)];
    const copy = (from: string, to: string, ends: object) =>
      askVerb('run', 'copy', quietContext(this.#at('repo')), { from, to, registriesConf, ...ends });
    const target = `oci:${this.#at('copied')}:1`;
    await copy(this.#ref('theirs/app:1'), target, src);
    this.#compare('copied/blobs/sha256', this.#theirs, 'what was copied');
    await copy(this.#ours.reference, this.#ref('copied/new:3'), dest);
    await this.#readBySkopeo('copied/new:3', this.#ours);
    const within = await copy(this.#ref('copied/new:3'), this.#ref('within/new:4'), {
      ...src,
      ...dest,
    });
    this.#equal('copied within', (within['bytes'] as Record<string, number>)['copied'], 0);
    await this.#readBySkopeo('within/new:4', this.#ours);
  }

  async #ask(
    step: 'plan' | 'run',
    verb: string,
    request: Json,
    repository = 'repo',
    written: Uint8Array[] = [],
  ): Promise<Json> {
    const context = quietContext(this.#at(repository), {
      jobs: 2,
      write: async (piece) => void written.push(Buffer.from(piece)),
    });
    const isRemote = Object.values(request).some((value) => `${value}`.startsWith('docker://'));
    const access = isRemote ? this.#way.access : {};
    return await askVerb(step, verb, context, { ...request, ...access });
  }

  /** Has skopeo copy a name out of the registry, and compares. */
  async #readBySkopeo(name: string, layout: TestLayout): Promise<void> {
    const target = name.replaceAll(/[/:]/g, '-');
    await this.#skopeo('src', this.#direct(name), `dir:${this.#at(target)}`);
    this.#compare(target, layout, name);
  }

  #direct(name: string): string {
    return `docker://${this.#way.directHost}/${name}`;
  }

  async #skopeo(end: 'src' | 'dest', from: string, to: string): Promise<void> {
    const { creds, certDir } = this.#way.access;
    const options = [
      ...(creds === undefined ? [] : [`--${end}-creds=${creds.user}:${creds.password}`]),
      certDir === undefined ? `--${end}-tls-verify=false` : `--${end}-cert-dir=${certDir}`,
    ];
    const words = ['--insecure-policy', 'copy', '--quiet', ...options, from, to];
    await promisify(execFile)('skopeo', words);
  }

  /** Every blob of a layout lies in a folder, whatever the manifest is called there. */
  #compare(folder: string, layout: TestLayout, what: string): void {
    const blobs = layout.reference.slice('oci:'.length, layout.reference.lastIndexOf(':'));
    const manifest = layout.manifestDigest.slice('sha256:'.length);
    const names = readdirSync(this.#at(folder));
    for (const name of readdirSync(join(blobs, 'blobs/sha256'))) {
      const there = name === manifest && !names.includes(name) ? 'manifest.json' : name;
      const isSame =
        names.includes(there) &&
        readFileSync(join(this.#at(folder), there)).equals(
          readFileSync(join(blobs, 'blobs/sha256', name)),
        );
      if (!isSame) this.#say(`${what}: ${there} is not what was sent`);
    }
  }

  #received(): number {
    return this.#way.wires.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
  }

  #equal(what: string, found: unknown, expected: unknown): void {
    const [left, right] = [found, expected].map((value) => JSON.stringify(value));
    if (left !== right) this.#say(`${what}: expected ${right}, found ${left}`);
  }

  #say(line: string): void {
    this.wrong.push(line);
  }
}

/** Options of a copy for one of its ends. */
function forEnd(end: 'src' | 'dest', { creds, certDir }: Access): object {
  return {
    ...(creds === undefined ? {} : { [`${end}Creds`]: creds }),
    ...(certDir === undefined ? {} : { [`${end}CertDir`]: certDir }),
  };
}
