import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { FakeHttp, type Fault } from '../../../../test/support/fake-http.ts';
import { HttpClient } from '../client.ts';
import type { BegunRequest } from '../request.ts';

const QUICK = { retry: { baseMs: 1, capMs: 4 } } as const;

/** Requests `/size/N` with the requester for small files, and with `fetch` if it declines. */
async function sizesOf(
  client: HttpClient,
  url: string,
  sizes: readonly number[],
): Promise<{ lengths: number[]; short: number }> {
  const way = client.openShort(new URL(url), undefined) ?? assert.fail('there is no short way');
  let short = 0;
  const one = async (size: number): Promise<number> => {
    const found = await new Promise<number | BegunRequest>((resolve) => {
      way.fetch(`/size/${size}`, 2, {
        onBytes: ({ length }) => resolve(length),
        onBegun: resolve,
      });
    });
    if (typeof found === 'number') {
      short++;
      return found;
    }
    const { body } = await client.fetch({ url: `${url}/size/${size}`, begun: found });
    if (body instanceof Uint8Array) return body.length;
    let length = 0;
    for await (const piece of body) length += piece.length;
    return length;
  };
  return { lengths: await Promise.all(sizes.map(one)), short };
}

test('small bodies are fetched by the short path, in one piece, in many, or empty', async () => {
  await using server = await FakeHttp.start();
  await using client = new HttpClient(QUICK);
  const sizes = Array.from({ length: 200 }, (_, index) => index * 997);
  const { lengths, short } = await sizesOf(client, server.url, sizes);
  assert.deepEqual(lengths, sizes);
  assert.equal(short, sizes.length);
  assert.equal((await server.read()).log.length, sizes.length);
});

test('a body that is large or of unknown size is passed on without another request', async () => {
  for (const chunked of [false, true]) {
    await using server = await FakeHttp.start({ chunked });
    await using client = new HttpClient(QUICK);
    const sizes = [5, 3_000_000, 7, 262_145];
    const { lengths, short } = await sizesOf(client, server.url, sizes);
    assert.deepEqual(lengths, sizes);
    assert.equal(short, 2, 'the small ones come the short way');
    assert.equal((await server.read()).log.length, sizes.length);
  }
});

for (const fault of [
  { kind: 'status', status: 503 },
  { kind: 'status', status: 429 },
  { kind: 'reset' },
  { kind: 'truncate', bytes: 5 },
  { kind: 'garbage' },
] as const satisfies readonly Fault[]) {
  test(`after ${JSON.stringify(fault)} the general path continues with the second attempt`, async () => {
    await using server = await FakeHttp.start({ faults: [{ ...fault, index: 3, times: 1 }] });
    await using client = new HttpClient({ ...QUICK, maxConnections: 1, pipelineDepth: 1 });
    const sizes = Array.from({ length: 8 }, (_, index) => 100 + index);
    const { lengths, short } = await sizesOf(client, server.url, sizes);
    assert.deepEqual(lengths, sizes);
    assert.ok(short >= 7, `${short}`);
    assert.equal((await server.read()).log.length, 9);
  });
}

test('a refusal counts as the first attempt and is reported as by the general path', async () => {
  await using server = await FakeHttp.start({ faults: [{ kind: 'status', status: 404 }] });
  await using client = new HttpClient(QUICK);
  await assert.rejects(sizesOf(client, server.url, [1]), (error) => hasCode(error, 'HTTP_STATUS'));
  assert.equal((await server.read()).log.length, 1);
  await server.reset([{ kind: 'status', status: 500 }]);
  await assert.rejects(sizesOf(client, server.url, [1]), (error) => hasCode(error, 'HTTP_STATUS'));
  assert.equal((await server.read()).log.length, 6);
});

test('the short path is not used through a proxy', () => {
  const client = new HttpClient({ proxy: { httpProxy: 'http://127.0.0.1:1' } });
  assert.equal(client.openShort(new URL('http://example.invalid/'), undefined), undefined);
});

test('connectAhead opens as many connections as may be used at once, and requests use them', async () => {
  await using server = await FakeHttp.start({ latencyMs: 20 });
  const inFlight = { start: 12, min: 2, max: 12 };
  await using client = new HttpClient({ ...QUICK, inFlight });
  const way =
    client.openShort(new URL(server.url), undefined) ?? assert.fail('there is no short way');
  way.connectAhead();
  for (const limitMs = Date.now() + 10_000; (await server.read()).connections < 12; ) {
    assert.ok(Date.now() < limitMs, 'the connections were not opened');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal((await server.read()).log.length, 0);
  const { lengths } = await sizesOf(client, server.url, Array(60).fill(1));
  assert.equal(lengths.length, 60);
  assert.equal((await server.read()).connections, 12);
});

test('a server that closes idle connections at once is not reconnected to again and again', async () => {
  let accepted = 0;
  const server = createServer((socket) => {
    accepted++;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const inFlight = { start: 40, min: 2, max: 40 };
  {
    await using client = new HttpClient({ ...QUICK, inFlight });
    const way = client.openShort(url, undefined) ?? assert.fail('there is no short way');
    way.connectAhead();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  server.close();
  assert.ok(accepted > 0 && accepted <= inFlight.max, `${accepted} connections`);
});
