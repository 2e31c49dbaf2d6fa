/** Updates in parts out of what other stores of this host have. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { byteStringFromText } from '#base/bytes';
import { writeSampleImage } from '../../tools/sample-image.ts';
import { needs } from '../support/capability.ts';
import { writeSmallStore } from '../support/containers-stores.ts';
import { LayoutRegistry } from '../support/layout-registry.ts';
import { cliEnvironment, ONECOPY } from '../support/run-cli.ts';
import { makeTempDir } from '../support/temp-dir.ts';

/** Text that is cut into many chunks. */
function textOf(seed: number): string {
  const lines = Array.from({ length: 6000 }, (_, at) =>
    createHash('sha256').update(`${seed} ${at}`).digest('hex'),
  );
  return lines.join('\n');
}

const SAME = { name: 'usr/same.txt', content: textOf(1) };
const OLD = { name: 'usr/edited.txt', content: textOf(2) };
const NEW = {
  name: 'usr/edited.txt',
  content: OLD.content.replace(/.{40}$/, 'an edit at the end'),
};
const MOVED = { name: 'usr/moved.txt', content: textOf(3) };

/** A registry whose image has one file that other stores have, one that they have in part, and one under another name. */
async function serve(path: string): Promise<LayoutRegistry> {
  const files = [SAME, NEW, { ...MOVED, name: 'usr/new-name.txt' }];
  const stat = { mode: 0o644, mtimeSec: 1n };
  const directory = (name: string) => ({
    member: { ...stat, type: 'directory' as const, path: byteStringFromText(name), mode: 0o755 },
  });
  const members = files.map(({ name, content }) => {
    const bytes = Buffer.from(content);
    const member = { ...stat, type: 'file' as const, path: byteStringFromText(`/${name}`) };
    return { member: { ...member, sizeBytes: bytes.length }, content: [bytes] };
  });
  const all = [directory('/'), directory('/usr'), ...members];
  await writeSampleImage(path, 'latest', [{ members: all, compression: 'zstd:chunked' }]);
  return await LayoutRegistry.start(path);
}

/** Pulls the image out of a store, and holds its files against what they should be. */
async function pullFrom(store: string, path: string): Promise<number> {
  await using registry = await serve(join(path, 'layout'));
  const repo = join(path, 'repo');
  const run = async (...args: string[]) =>
    (await promisify(execFile)(ONECOPY, ['--repo', repo, ...args], { env: cliEnvironment() }))
      .stdout;
  const reference = `docker://${registry.host}/image:latest`;
  await run('pull', '--strategy', 'partial', '--reuse-from', store, reference, 'image');
  const sentBytes = registry.sentBytes;
  assert.equal(await run('cat', 'image', '/usr/edited.txt'), NEW.content);
  assert.equal(await run('cat', 'image', '/usr/same.txt'), SAME.content);
  assert.equal(await run('cat', 'image', '/usr/new-name.txt'), MOVED.content);
  return sentBytes;
}

test('a partial pull takes files and chunks from layers of containers-storage', async () => {
  using temp = makeTempDir();
  const graph = join(temp.path, 'graph');
  writeSmallStore(graph, 'localhost/old:latest', [SAME, OLD, MOVED]);
  const store = `containers-storage:[overlay@${graph}+${join(temp.path, 'run')}]`;
  const sentBytes = await pullFrom(store, temp.path);
  assert.ok(sentBytes < 60_000, `${sentBytes} bytes were sent`);
});

/** Payload links as ostree makes them on filesystems with reflinks, and nothing else to go by. */
function linkPayloads(repo: string): void {
  rmSync(join(repo, 'refs/heads/os'));
  const objects = join(repo, 'objects');
  for (const name of readdirSync(objects, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.file')) continue;
    const hex = createHash('sha256')
      .update(readFileSync(join(objects, name)))
      .digest('hex');
    mkdirSync(join(objects, hex.slice(0, 2)), { recursive: true });
    symlinkSync(`../${name}`, join(objects, hex.slice(0, 2), `${hex.slice(2)}.payload-link`));
  }
}

for (const hasLinks of [false, true]) {
  test(`a partial pull takes files from an OSTree repository ${hasLinks ? 'by their payload links' : 'by their paths'}`, async (t: TestContext) => {
    if (!needs(t, 'tool:ostree')) return;
    using temp = makeTempDir();
    const [tree, repo] = [join(temp.path, 'tree'), join(temp.path, 'ostree')] as const;
    mkdirSync(join(tree, 'usr'), { recursive: true });
    for (const { name, content } of [SAME, OLD, MOVED]) writeFileSync(join(tree, name), content);
    const ostree = (...args: string[]) => execFileSync('ostree', [`--repo=${repo}`, ...args]);
    ostree('init', '--mode=bare-user');
    ostree('commit', '-b', 'os', `--tree=dir=${tree}`);
    if (hasLinks) linkPayloads(repo);
    const sentBytes = await pullFrom(`ostree-local:${repo}`, temp.path);
    assert.ok(sentBytes < (hasLinks ? 230_000 : 60_000), `${sentBytes} bytes were sent`);
  });
}
