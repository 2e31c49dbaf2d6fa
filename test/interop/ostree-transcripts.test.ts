/**
 * Every step of every recorded run of `cfsctl ostree`, done by us in a repository of the same settings: the same commits, ids, names
 * and dumps, with no more requests.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { OstreeChecksum } from '#base/digest';
import { isOnecopyError, type OnecopyError } from '#base/errors';
import { parseAlgorithmId } from '#formats/fsverity';
import { type ErofsVersion, initRepository, type Repository } from '#stores/composefs';
import {
  computeCommitImageId,
  dumpCommit,
  listCommitRefs,
  tagCommit,
  untagCommit,
} from '#work/commits';
import { exportCommit } from '#work/export-commit';
import { applyDeltaFile, listRemoteRefs, pullCommit } from '#work/pull-commit';
import { needs } from '../support/capability.ts';
import { FakeHttp } from '../support/fake-http.ts';
import { type OstreeFixture, unpackOstree } from '../support/ostree-fixture.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const FOLDER = new URL('../golden/cfsctl/ostree/', import.meta.url);
const REQUESTS = 'http requests (sorted; method path, status)';
/** As the real tool: xattr names with their NUL, its printed ids, no look at bindings. */
const AS_UPSTREAM = { reading: 'cfsctl', withUpstreamId: true } as const;

/** A command with what it printed, or a look at what it left. */
interface Step {
  readonly cmd?: readonly string[];
  readonly rc?: number;
  readonly stdout?: string;
  readonly tree?: readonly string[];
  readonly [REQUESTS]?: readonly string[];
}

let fixture: OstreeFixture;
before(() => {
  fixture = unpackOstree('mini', 'r-tiny-archive', 'r-tiny-bare-user', 'r-flatpak');
});
after(() => fixture[Symbol.dispose]());

/** One replay: a repository, a server for the fixtures, and how to do each command. */
class Replay implements AsyncDisposable {
  readonly #repository: Repository;
  readonly #server: FakeHttp;
  readonly #scratch: string;

  private constructor(repository: Repository, server: FakeHttp, scratch: string) {
    this.#repository = repository;
    this.#server = server;
    this.#scratch = scratch;
  }

  static async start(scratch: string, init: readonly string[]): Promise<Replay> {
    const after = (option: string) => init[init.indexOf(option) + 1] ?? '';
    const algorithm = parseAlgorithmId(after('--algorithm'));
    const version = init.includes('--erofs-version') ? Number(after('--erofs-version')) : 1;
    const { repository } = await initRepository(join(scratch, 'repo'), {
      algorithm,
      insecure: true,
      formats: { default: version as ErofsVersion, extra: [] },
    });
    return new Replay(repository, await FakeHttp.start({ root: fixture.path }), scratch);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#repository[Symbol.dispose]();
    await this.#server[Symbol.asyncDispose]();
  }

  /** Does a step: what we would print, or our error; neither for commands that other tests compare. */
  async attempt(
    verb: string,
    args: readonly string[],
  ): Promise<{ said?: string | undefined; error?: OnecopyError }> {
    try {
      return { said: await this.#run(verb, args) };
    } catch (error) {
      if (isOnecopyError(error)) return { error };
      throw error;
    }
  }

  async #run(verb: string, args: readonly string[]): Promise<string | undefined> {
    const [first = '', second = ''] = args.filter((one) => !one.startsWith('-')).map(this.#place);
    switch (verb) {
      case 'pull':
      case 'pull-local':
        return await this.#pull(first, second, args.includes('--no-delta'));
      case 'apply-delta':
        return idLines(await applyDeltaFile(this.#repository, first, AS_UPSTREAM));
      case 'compute-id':
        return `${await computeCommitImageId(this.#repository, first, AS_UPSTREAM)}\n`;
      case 'dump':
        return Buffer.from(await dumpCommit(this.#repository, first, AS_UPSTREAM)).toString(
          'latin1',
        );
      case 'images':
        return rows(listCommitRefs(this.#repository));
      case 'list-refs':
        return rows((await listRemoteRefs(this.#repository, { url: first })).refs);
      case 'tag':
        tagCommit(this.#repository, first, second);
        return `Tagged ${first} as ${second}\n`;
      case 'untag':
        untagCommit(this.#repository, first);
        return '';
      case 'export':
        return await this.#export(first, second, args.at(-1) ?? '');
      default:
        return undefined;
    }
  }

  /**
   * Requests of the last pull, without the ref that is asked for in the same round trip as the summary. One more than the real tool
   * makes is right where it takes the commit from a delta: like libostree, we look at the commit before we trust a delta.
   */
  async requests(): Promise<number> {
    const { log } = await this.#server.read();
    return log.filter(({ path }) => !path.includes('/refs/heads/')).length;
  }

  links(): string[] {
    const root = join(this.#scratch, 'repo');
    const names = ['images', 'streams'].flatMap((folder) =>
      existsSync(join(root, folder))
        ? readdirSync(join(root, folder)).map((name) => `${folder}/${name}`)
        : [],
    );
    return names.filter(isCompared).sort();
  }

  #place = (text: string): string =>
    text
      .replace('$URL', this.#server.url)
      .replace('$OSTREE', fixture.path)
      .replace('$T', this.#scratch);

  async #pull(from: string, ref: string, withoutDelta: boolean): Promise<string> {
    await this.#server.reset();
    const source = from.startsWith('http')
      ? ({ kind: 'remote', url: from } as const)
      : ({ kind: 'local', path: from } as const);
    const pulled = await pullCommit(this.#repository, source, ref, {
      ...AS_UPSTREAM,
      workers: 0,
      trust: { verifyBindings: false },
      deltas: withoutDelta ? 'never' : 'auto',
    });
    return `${idLines(pulled)}tagged  ${pulled.ref}\n`;
  }

  async #export(ref: string, target: string, name: string): Promise<string> {
    const { commit, refs } = await exportCommit(this.#repository, ref, target, {
      createMode: modeOf(target),
      refs: [name],
    });
    return `commit  ${commit}\ntagged  ${refs[0]}\n`;
  }
}

/** Refs are compared by `images`; a summary is only kept when its server gives it a tag. */
function isCompared(name: string): boolean {
  return !/^(?:images|streams)\/refs(?:\/|$)|^streams\/ostree-summary-/.test(name);
}

function modeOf(target: string): 'archive' | 'bare' | 'bare-user' | 'bare-user-only' {
  const mode = /\/x-([a-z-]+)$/.exec(target)?.[1];
  assert.ok(
    mode === 'archive' || mode === 'bare' || mode === 'bare-user' || mode === 'bare-user-only',
  );
  return mode;
}

/** What `cfsctl` prints: the id of the stream as it was before it named its image, unless the commit was already stored. */
function idLines(done: {
  readonly commit: OstreeChecksum;
  readonly upstreamId: string | undefined;
  readonly streamId: string;
  readonly imageId: string | undefined;
}): string {
  const { commit, upstreamId, streamId, imageId } = done;
  return `commit  ${commit}\nverity  ${upstreamId ?? streamId}\nimage   ${imageId}\n`;
}

function rows(refs: readonly { readonly name: string; readonly commit: string }[]): string {
  const lines = refs.map(({ name, commit }) => `${name} ${commit}\n`);
  return lines.sort().join('');
}

/** What was printed, without what we do better: the objects that were fetched. Tables become plain rows. */
function printed(stdout: string): string {
  if (stdout.startsWith('No ostree commits found')) return '';
  if (!stdout.includes('│')) return stdout.replace(/^objects .*\n/m, '');
  const cells = [...stdout.matchAll(/^│ (\S+) +┆ ([0-9a-f]{64}) │$/gm)];
  return rows(cells.map(([, name = '', commit = '']) => ({ name, commit })));
}

/** Where the real tool fails and we do not: an export to an archive repository. */
function isBetter(verb: string, args: readonly string[]): boolean {
  return verb === 'export' && args[1]?.endsWith('/x-archive') === true;
}

for (const file of readdirSync(FOLDER).filter((name) => /^(?!corrupt).*\.json$/.test(name))) {
  test(`the recorded run ${file} gives the recorded results`, async (t) => {
    // A bare export sets owners; the bare repository among the fixtures needs them.
    if (!needs(t, 'root')) return;
    const steps = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as Step[];
    using temp = makeTempDir();
    await using replay = await Replay.start(temp.path, steps[0]?.cmd ?? []);
    let compared = 0;
    for (const step of steps.slice(1)) {
      if (step[REQUESTS] !== undefined) {
        const theirs = step[REQUESTS].filter((line) => line.startsWith('GET ')).length;
        const ours = await replay.requests();
        assert.ok(ours <= theirs + 1, `${ours} requests against ${theirs}`);
      }
      if (step.tree !== undefined) {
        const links = step.tree.filter((line) => line.startsWith('l '));
        const names = links.map((line) => line.slice(2, line.indexOf(' ->')));
        assert.deepEqual(replay.links(), names.filter(isCompared));
      }
      const [, , , group, verb = '', ...args] = step.cmd ?? [];
      if (group !== 'ostree') continue;
      const label = step.cmd?.slice(3).join(' ');
      const { said, error } = await replay.attempt(verb, args);
      if (said === undefined && error === undefined) continue;
      compared++;
      if (step.rc === 0) assert.equal(said, printed(step.stdout ?? ''), `${label}: ${error}`);
      else assert.equal(said !== undefined, isBetter(verb, args), `${label}: ${said} ${error}`);
    }
    assert.ok(compared > 0);
  });
}
