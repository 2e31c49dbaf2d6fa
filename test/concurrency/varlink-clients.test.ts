/** Many clients of one varlink service, and clients that mean no good. `npm run prove -- tests` takes 64. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeTempDir } from '../support/temp-dir.ts';
import type { RawClient } from '../support/varlink-client.ts';
import { type RunningService, startService } from '../support/varlink-service.ts';

const CLIENTS = process.env['ONECOPY_LONG'] === undefined ? 16 : 64;
const LAYOUT = fileURLToPath(new URL('../golden/cfsctl/oci/whiteouts/layout', import.meta.url));

async function ask(client: RawClient, method: string, parameters?: object) {
  const replies = await client.call({
    method,
    ...(parameters === undefined ? {} : { parameters }),
  });
  return JSON.parse(replies.at(-1)?.text ?? '{}');
}

async function openRepository(client: RawClient, path: string): Promise<void> {
  const parameters = { path, algorithm: 'fsverity-sha256-12', insecure: true };
  await ask(client, 'org.composefs.Repository.InitRepository', parameters);
  await ask(client, 'org.composefs.Repository.OpenRepository', { path });
}

function residentKib({ child }: RunningService): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
}

function pull(name: string) {
  const parameters = {
    handle: 1,
    image: `oci:${LAYOUT}`,
    local_fetch: 'disabled',
    bootable: false,
    name,
  };
  return { method: 'org.composefs.Oci.Pull', parameters, more: true };
}

test('many varlink clients pull and list at the same time, and clients that disconnect leave nothing behind', async () => {
  using temp = makeTempDir();
  await using service = startService('cfsctl', ['varlink'], join(temp.path, 's.sock'));
  await using first = await service.connect();
  await openRepository(first, join(temp.path, 'r'));
  await Promise.all(
    Array.from({ length: CLIENTS }, async (_, index) => {
      await using client = await service.connect();
      if (index % 4 === 0) {
        // It goes in the middle of its pull.
        await client.send(Buffer.from(`${JSON.stringify(pull(`gone-${index}`))}\0`));
        await client.receive();
        return;
      }
      if (index % 4 === 1) {
        const listed = await ask(client, 'org.composefs.Oci.ListImages', { handle: 1 });
        assert.ok(Array.isArray(listed.parameters.images));
        return;
      }
      const replies = await client.call(pull(`app-${index}`));
      const last = JSON.parse(replies.at(-1)?.text ?? '{}');
      assert.match(last.parameters?.completed?.manifest_digest ?? '', /^sha256:c87a99bd/);
    }),
  );
  // Alone in the repository: whatever ran for a client that went has ended.
  const gc = await ask(first, 'org.composefs.Repository.Gc', {
    handle: 1,
    dry_run: false,
    roots: [],
  });
  assert.ok(gc.parameters !== undefined, JSON.stringify(gc));
  const fsck = await ask(first, 'org.composefs.Repository.Fsck', { handle: 1 });
  assert.equal(fsck.parameters.ok, true, JSON.stringify(fsck));
  const sockets = () => readdirSync(`/proc/${service.child.pid}/fd`).length;
  assert.ok(sockets() < 80, `${sockets()} descriptors`);
});

test('endless, truncated and countless messages and unexpected descriptors are bounded', async () => {
  using temp = makeTempDir();
  await using service = startService('cfsctl', ['varlink'], join(temp.path, 's.sock'));
  await using good = await service.connect();
  await ask(good, 'org.varlink.service.GetInfo');
  const before = residentKib(service);

  await using endless = await service.connect();
  const piece = Buffer.alloc(1 << 20, 0x20);
  const flood = (async () => {
    for (let count = 0; count < 64; count += 1) await endless.send(piece);
  })().catch(() => {});
  const refused = await endless.receive();
  assert.match(refused?.text ?? '', /InvalidParameter/);
  assert.equal(await endless.receive().catch(() => undefined), undefined);
  await flood;

  await using half = await service.connect();
  await half.send(Buffer.from('{"method":"org.varlink.service.Get'));

  await using files = await service.connect();
  const info = Buffer.from('{"method":"org.varlink.service.GetInfo"}\0');
  for (let count = 0; count < 20; count += 1) {
    await files.send(info, new Array(100).fill(files.socket));
    assert.match((await files.receive())?.text ?? '', /cfsctl/);
  }

  await using many = await service.connect();
  const calls = Buffer.concat(new Array(1000).fill(info));
  const pending = (async () => {
    for (let count = 0; count < 1000; count += 1) await many.send(calls);
  })().catch(() => {});
  assert.equal((await ask(good, 'org.varlink.service.GetInfo')).parameters.product, 'cfsctl');
  const grownMib = (residentKib(service) - before) / 1024;
  assert.ok(grownMib < 200, `${grownMib} MiB more`);
  await many[Symbol.asyncDispose]();
  await pending;
  assert.equal((await ask(good, 'org.varlink.service.GetInfo')).parameters.product, 'cfsctl');
});
