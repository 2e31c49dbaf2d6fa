/**
 * Recorded calls of the varlink service of `cfsctl`, made of ours, step by step.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseInterface, type VarlinkInterface } from '#formats/varlink';
import { Dir, type HostFile, OPEN } from '#host';
import { needs } from '../../support/capability.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import type { RawClient, RawReply } from '../../support/varlink-client.ts';
import { startService } from '../../support/varlink-service.ts';
import { cfsctl } from './replay.ts';

const GOLDEN = new URL('../../golden/cfsctl/varlink/', import.meta.url);
const LAYOUTS = fileURLToPath(new URL('../../golden/cfsctl/oci', import.meta.url));

interface Step {
  readonly send?: { readonly method: string; readonly [key: string]: unknown };
  readonly recv?: unknown;
  readonly send_raw?: string;
  readonly recv_raw?: readonly string[];
  readonly send_fds?: readonly string[];
  readonly conn?: string;
  readonly note?: string;
  readonly attached?: readonly string[];
  readonly mount?: { readonly listing: readonly string[]; readonly write: string };
}

function readSteps(name: string): readonly Step[] {
  return JSON.parse(readFileSync(new URL(name, GOLDEN), 'utf8')) as Step[];
}

/** Without what our interfaces say in other words. */
function plain(described: VarlinkInterface): unknown {
  const members = described.members.map(({ comment: _, ...member }) => member);
  return { name: described.name, members };
}

/** Where ours does something else on purpose; docs/compatibility.md says why. */
function isOther(send: Step['send']): boolean {
  const parameters = (send?.['parameters'] ?? {}) as Readonly<Record<string, unknown>>;
  if (send?.['oneway'] === true) return true;
  const method = send?.method.split('.').at(-1);
  if (method === 'Tag') return /:0{64}$/.test(String(parameters['manifest_digest']));
  if (method === 'Untag') return parameters['name'] === 'dangling';
  // composefs-rs sends the reply to a call that wants none, which then stands for the reply to the next call.
  if (method === 'ListImages') return parameters['filter'] === 'one';
  return method === 'Pull' && ['@x', 'bad'].includes(String(parameters['name']));
}

/** A reply as it is compared: messages are ours, and device numbers of the host. */
function comparable(reply: unknown): unknown {
  return JSON.parse(JSON.stringify(reply), (key, value) => {
    if (key === 'message' && typeof value === 'string' && !/^(?:Importing \d|Storing )/.test(value))
      return 'any';
    // The order of the filesystem that was recorded on.
    if (key === 'images' && Array.isArray(value)) {
      return value.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    }
    if (key === 'objects_device_id' && value !== null) return 'any';
    return value;
  });
}

/** Frames of progress come in no order, and as often as there is time. */
function framesOf(frames: readonly unknown[]): string[] {
  const texts = frames.map((frame) => JSON.stringify(comparable(frame)));
  return [...new Set(texts)].sort();
}

class Player {
  readonly #connect: () => Promise<RawClient>;
  readonly #scratch: string;
  readonly #clients = new Map<string, RawClient>();
  #lastFile: RawReply['files'][number] | undefined;

  constructor(connect: () => Promise<RawClient>, scratch: string) {
    this.#connect = connect;
    this.#scratch = scratch;
  }

  async #client(name = 'first'): Promise<RawClient> {
    const known = this.#clients.get(name) ?? (await this.#connect());
    this.#clients.set(name, known);
    return known;
  }

  async play(step: Step): Promise<void> {
    if (step.send !== undefined) await this.#call(step);
    else if (step.send_raw !== undefined) await this.#raw(step);
    else if (step.attached !== undefined) this.#look(step.attached);
    else if (step.mount !== undefined) this.#look(step.mount.listing, step.mount.write);
    else if (step.note?.startsWith('symlink ') === true) this.#link(step.note);
  }

  #place<T>(value: T): T {
    const text = JSON.stringify(value);
    const placed = text.replaceAll(/\$LAYOUTS\/([\w-]+)/g, `${LAYOUTS}/$1/layout`);
    return JSON.parse(placed.replaceAll('$W', this.#scratch));
  }

  async #call(step: Step): Promise<void> {
    const send = this.#place(step.send) as { readonly method: string };
    const client = await this.#client(step.conn);
    const files = (step.send_fds ?? []).map((said) => this.#folder(said.split(' ').at(-1) ?? ''));
    const what = JSON.stringify(send);
    if ('oneway' in send) {
      await client.send(Buffer.from(`${what}\0`));
      return;
    }
    const replies = await client.call(send, files);
    for (const file of files) file[Symbol.dispose]();
    const found = replies.map(({ text }) => JSON.parse(text) as Record<string, unknown>);
    const last = found.at(-1) ?? {};
    assert.ok(replies.length > 0, `${what} closed the connection`);
    this.#keep(replies.at(-1)?.files ?? []);
    if (isOther(step.send)) return;
    if (step.recv === 'eof') {
      // A bad call gets an error; parameters that a method does not have are ignored.
      if ('error' in last)
        assert.match(String(last['error']), /(InvalidParameter|InvalidSpec)$/, what);
      return;
    }
    if (step.recv === 'timeout') {
      assert.ok(!('error' in last), what);
      return;
    }
    this.#compare(step, found, what);
  }

  #compare(step: Step, found: readonly Record<string, unknown>[], what: string): void {
    const recorded = this.#place(step.recv);
    const frames = Array.isArray(recorded) ? recorded : [recorded];
    const withFds = frames.map((frame: Record<string, unknown>) => {
      const { fds, ...rest } = frame;
      assert.equal(this.#lastFile === undefined ? 0 : 1, fds ?? 0, what);
      return rest;
    });
    const last = withFds.at(-1) as { parameters?: { description?: string } };
    const description = last.parameters?.description;
    if (description === undefined) {
      assert.deepEqual(framesOf(found), framesOf(withFds), what);
      return;
    }
    const text = readFileSync(new URL(description.replace('see ', ''), GOLDEN), 'utf8');
    const [ours] = found as { parameters: { description: string } }[];
    assert.deepEqual(
      plain(parseInterface(ours?.parameters.description ?? '')),
      plain(parseInterface(text)),
    );
  }

  async #raw({ send_raw: said = '', recv_raw: expected = [], note = '' }: Step): Promise<void> {
    const client = await this.#client();
    const half = /`(.*)`$/.exec(note)?.[1];
    if (half !== undefined) await client.send(Buffer.from(half));
    const bytes = Buffer.from(
      said.replaceAll('\\0', '\0').replaceAll('\\xff\\xfe', '\xff\xfe'),
      'latin1',
    );
    await client.send(bytes);
    if (expected[0] === 'timeout') {
      // No reply: the next call gets the first one. A message that was not ended is ended here.
      if (bytes.at(-1) !== 0) {
        await client.send(Buffer.from('\0'));
        await client.receive();
      }
      return;
    }
    for (const reply of expected) {
      const { text } = (await client.receive()) ?? { text: 'eof' };
      if (reply.startsWith('{')) assert.equal(text, reply, note);
      else assert.notEqual(text, 'eof', note);
    }
  }

  #folder(name: string): HostFile {
    const path = join(this.#scratch, name);
    mkdirSync(path, { recursive: true });
    using dir = Dir.open(this.#scratch);
    return dir.openFile(name, OPEN.path | OPEN.directory);
  }

  #keep(files: RawReply['files']): void {
    this.#lastFile?.[Symbol.dispose]();
    this.#lastFile = files[0];
  }

  /**
   * Compares what is in the mount that came last. It stays attached nowhere: garbage collection of other tests would find it, and keep its
   * image.
   */
  #look(listing: readonly string[], write?: string): void {
    assert.ok(this.#lastFile !== undefined);
    const target = `/proc/self/fd/${this.#lastFile.fd}`;
    assert.deepEqual(listingOf(target).slice(0, listing.length), [...listing]);
    if (write === undefined) return;
    const attempt = () => mkdirSync(join(target, 'usr/new'));
    if (write !== 'ok') {
      assert.throws(attempt, /EROFS/);
      return;
    }
    attempt();
    rmSync(join(target, 'usr/new'), { recursive: true });
    // The recording left a file behind.
    writeFileSync(join(target, 'usr/x'), '');
  }

  #link(note: string): void {
    const [, path = '', target = ''] = /^symlink (\S+) -> (\S+) /.exec(note) ?? [];
    mkdirSync(join(this.#scratch, 'r/images/refs'), { recursive: true });
    symlinkSync(target, join(this.#scratch, 'r', path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lastFile?.[Symbol.dispose]();
    for (const client of this.#clients.values()) await client[Symbol.asyncDispose]();
  }
}

function listingOf(folder: string): string[] {
  const lines: string[] = [];
  const walk = (at: string): void => {
    using dir = Dir.open(join(folder, at));
    for (const name of readdirSync(join(folder, at)).sort()) {
      const path = at === '' ? name : `${at}/${name}`;
      const stat = dir.lstat(name);
      const mode = (stat?.mode ?? 0).toString(8).padStart(4, '0');
      if (stat?.type !== 'directory') lines.push(`f ${mode} ${stat?.sizeBytes} ${path}`);
      else {
        lines.push(`d ${mode} ${path}`);
        walk(path);
      }
    }
  };
  walk('');
  return lines;
}

async function replayAll(name: string): Promise<void> {
  using temp = makeTempDir();
  await using service = startService('cfsctl', ['varlink'], join(temp.path, 's.sock'));
  await using player = new Player(() => service.connect(), temp.path);
  let isPulled = name !== 'repository.json';
  for (const step of readSteps(name)) {
    if (!isPulled && step.send?.method.endsWith('.ImageObjects') === true) {
      const layout = `oci:${LAYOUTS}/basic/layout`;
      const pulled = await cfsctl(['--repo', join(temp.path, 'r'), 'oci', 'pull', layout, 'b']);
      isPulled = pulled.status === 0;
    }
    await player.play(step);
  }
  assert.equal(service.output(), '');
}

for (const name of ['service.json', 'repository.json', 'oci-manage.json', 'oci-pull.json']) {
  test(`the varlink service answers ${name} as recorded`, async (t) => {
    const mounts = readSteps(name).some(({ send }) => /Mount$/.test(send?.method ?? ''));
    if (mounts && !needs(t, 'root')) return;
    await replayAll(name);
  });
}
