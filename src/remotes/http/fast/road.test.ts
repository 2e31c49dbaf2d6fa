import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeHttp } from '../../../../test/support/fake-http.ts';
import { HttpClient } from '../client.ts';

const QUICK = { retry: { baseMs: 1, capMs: 4 } } as const;

test('many small objects arrive whole over a bounded number of persistent connections', async () => {
  await using server = await FakeHttp.start({ latencyMs: 5 });
  await using client = new HttpClient({ inFlight: { max: 12 } });
  const sizes = Array.from({ length: 300 }, (_, index) => index);
  const bodies = await Promise.all(
    sizes.map((size) =>
      client.fetchBytes({ small: true, url: `${server.url}/size/${size}`, maxBytes: 1000 }),
    ),
  );
  assert.deepEqual(
    bodies.map(({ body }) => body.length),
    sizes,
  );
  const { peak, connections } = await server.read();
  assert.ok(peak <= 12 && peak >= 6, `peak ${peak}`);
  assert.ok(connections <= 12, `connections ${connections}`);
});

test('with pipelining, every request gets its own response', async () => {
  await using server = await FakeHttp.start({ latencyMs: 2 });
  await using client = new HttpClient({ maxConnections: 2, pipelineDepth: 8 });
  const bodies = await Promise.all(
    Array.from({ length: 200 }, (_, index) =>
      client.fetchBytes({
        small: true,
        url: `${server.url}/size/${index}?n=${index}`,
        maxBytes: 1000,
      }),
    ),
  );
  assert.deepEqual(
    bodies.map(({ body }) => body.length),
    bodies.map((_, index) => index),
  );
  const { connections, peak } = await server.read();
  assert.equal(connections, 2);
  assert.ok(peak > 2, `peak ${peak}`);
});

test('no more connections are opened to a known fast server than can be filled', async () => {
  await using server = await FakeHttp.start();
  const inFlight = { start: 32, max: 32 };
  await using client = new HttpClient({ inFlight, pipelineDepth: 8, quickestMs: 0.5 });
  const ask = (url: string) => client.fetchBytes({ small: true, url, maxBytes: 9 });
  await Promise.all(Array.from({ length: 200 }, (_, n) => ask(`${server.url}/size/9?${n}`)));
  assert.equal((await server.read()).connections, 4);
  assert.equal(client.share(2).quickestMs, 0.5, 'what is known is passed on');
});

for (const kind of ['reset', 'close', 'garbage', 'truncate'] as const) {
  test(`a ${kind} at any request changes only the number of requests`, async () => {
    await using server = await FakeHttp.start();
    for (let index = 0; index < 8; index++) {
      await server.reset([{ kind, index, bytes: 5, times: 1 }]);
      await using client = new HttpClient({ ...QUICK, maxConnections: 3, pipelineDepth: 1 });
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, at) =>
          client.fetchBytes({ small: true, url: `${server.url}/size/${100 + at}`, maxBytes: 1000 }),
        ),
      );
      assert.deepEqual(
        answers.map(({ body }) => body.length),
        [100, 101, 102, 103, 104, 105, 106, 107],
      );
      assert.equal((await server.read()).log.length, 9);
    }
  });
}

for (const kind of ['reset', 'garbage', 'truncate', 'stall'] as const) {
  test(`a ${kind} in the middle of a pipeline moves the later requests to another connection`, async () => {
    await using server = await FakeHttp.start();
    for (let index = 20; index < 60; index += 8) {
      await server.reset([{ kind, index, bytes: 5, times: 1 }]);
      await using client = new HttpClient({ ...QUICK, maxConnections: 2, noDataTimeoutMs: 150 });
      const sizes = Array.from({ length: 120 }, (_, at) => 100 + at);
      const answers = await Promise.all(
        sizes.map((size) =>
          client.fetchBytes({ small: true, url: `${server.url}/size/${size}`, maxBytes: 999 }),
        ),
      );
      assert.deepEqual(
        answers.map(({ body }) => body.length),
        sizes,
      );
      const { log, connections } = await server.read();
      assert.ok(connections <= 4, `${connections} connections`);
      assert.ok(log.length > 120 && log.length <= 120 + 16, `${log.length} requests`);
    }
  });
}
