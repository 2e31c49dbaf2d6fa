import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createRawServer } from 'node:net';
import { test } from 'node:test';
import { hasCode, isOnecopyError } from '#base/errors';
import { FakeHttp } from '../../../test/support/fake-http.ts';
import { HttpClient } from './client.ts';

const QUICK = { retry: { baseMs: 1, capMs: 4 } } as const;

async function collect(body: Uint8Array | AsyncIterable<Uint8Array>): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body);
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Both roads answer alike. */
for (const small of [true, false]) {
  const road = small ? 'fast road' : 'general road';

  test(`a server that does not speak HTTP/1.1 is reported (${road})`, async () => {
    await using server = await FakeHttp.start({ faults: [{ kind: 'garbage' }] });
    await using client = new HttpClient(QUICK);
    await assert.rejects(
      client.fetchBytes({ small, url: `${server.url}/size/1`, maxBytes: 9, attempts: 2 }),
      (error) => hasCode(error, 'PROTOCOL_BROKEN') && error.cause instanceof Error,
    );
  });

  for (const status of [408, 429, 500, 502, 503, 504]) {
    test(`status ${status} is retried, then reported with the number of attempts (${road})`, async () => {
      await using server = await FakeHttp.start({ faults: [{ kind: 'status', status, times: 2 }] });
      await using client = new HttpClient(QUICK);
      const url = `${server.url}/size/7`;
      assert.equal((await client.fetchBytes({ small, url, maxBytes: 10 })).body.length, 7);
      await server.reset([{ kind: 'status', status }]);
      await assert.rejects(
        client.fetchBytes({ small, url, maxBytes: 10, attempts: 3 }),
        (error) => {
          assert.ok(hasCode(error, status === 429 ? 'RATE_LIMITED' : 'HTTP_STATUS'));
          assert.equal(error.exitCode, 10);
          assert.deepEqual([error.details['status'], error.details['attempts']], [status, 3]);
          return true;
        },
      );
      assert.equal((await server.read()).log.length, 3);
    });
  }

  for (const [status, code, exitCode] of [
    [400, 'HTTP_STATUS', 10],
    [401, 'HTTP_DENIED', 12],
    [403, 'HTTP_DENIED', 12],
    [404, 'HTTP_STATUS', 10],
    [410, 'HTTP_STATUS', 10],
  ] as const) {
    test(`status ${status} is not retried and is reported as ${code} (${road})`, async () => {
      await using server = await FakeHttp.start({ faults: [{ kind: 'status', status }] });
      await using client = new HttpClient(QUICK);
      await assert.rejects(
        client.fetchBytes({ small, url: `${server.url}/size/7`, maxBytes: 10 }),
        (error) => hasCode(error, code) && error.exitCode === exitCode,
      );
      assert.equal((await server.read()).log.length, 1);
    });
  }

  test(`an accepted status is returned as a response, whatever it is (${road})`, async () => {
    await using server = await FakeHttp.start();
    await using client = new HttpClient(QUICK);
    const url = `${server.url}/none`;
    assert.equal(
      (await client.fetchBytes({ small, url, maxBytes: 10, accept: [200, 404] })).status,
      404,
    );
    assert.equal(
      (await client.fetchBytes({ small, url, maxBytes: 1000, accept: 'any' })).body.length,
      200,
    );
  });

  test(`Retry-After overrides the random wait, and an excessive one ends the attempts (${road})`, async () => {
    const faults = [
      { kind: 'status', status: 429, headers: { 'retry-after': '1' }, times: 1 },
    ] as const;
    await using server = await FakeHttp.start({ faults });
    await using client = new HttpClient({ retry: { baseMs: 0, maxRetryAfterMs: 2000 } });
    const url = `${server.url}/size/7`;
    const start = performance.now();
    await client.fetchBytes({ small, url, maxBytes: 10 });
    assert.ok(performance.now() - start >= 990);
    await server.reset([{ kind: 'status', status: 503, headers: { 'retry-after': '3600' } }]);
    await assert.rejects(client.fetchBytes({ small, url, maxBytes: 10 }), (error) =>
      hasCode(error, 'HTTP_STATUS'),
    );
    assert.equal((await server.read()).log.length, 1);
  });

  test(`a request with a cached copy is conditional and gets 304 (${road})`, async () => {
    await using server = await FakeHttp.start({ etags: true });
    await using client = new HttpClient();
    const url = `${server.url}/size/50`;
    const first = await client.fetchBytes({ small, url, maxBytes: 100 });
    const etag = first.headers.get('etag');
    assert.ok(etag !== undefined);
    const second = await client.fetchBytes({
      small,
      url,
      maxBytes: 100,
      accept: [200, 304],
      ifChanged: { etag },
    });
    assert.deepEqual([second.status, second.body.length], [304, 0]);
  });

  test(`a body above its limit is refused, with Content-Length or chunked (${road})`, async () => {
    for (const chunked of [false, true]) {
      await using server = await FakeHttp.start({ chunked });
      await using client = new HttpClient(QUICK);
      await assert.rejects(
        client.fetchBytes({ small, url: `${server.url}/size/101`, maxBytes: 100 }),
        (error) => hasCode(error, 'RESPONSE_TOO_LARGE') && error.details['limitBytes'] === 100,
      );
      const exact = await client.fetchBytes({
        small,
        url: `${server.url}/size/100`,
        maxBytes: 100,
      });
      assert.equal(exact.body.length, 100);
      assert.equal((await server.read()).log.length, 2);
    }
  });

  test(`a server that sends nothing reaches the no-data time-out, and the request is retried (${road})`, async () => {
    await using server = await FakeHttp.start({ faults: [{ kind: 'stall', times: 1 }] });
    await using client = new HttpClient({ ...QUICK, noDataTimeoutMs: 100 });
    const url = `${server.url}/size/9`;
    assert.equal((await client.fetchBytes({ small, url, maxBytes: 10 })).body.length, 9);
    await server.reset([{ kind: 'stall' }]);
    await assert.rejects(
      client.fetchBytes({ small, url, maxBytes: 10, attempts: 2 }),
      (error) => hasCode(error, 'TIMEOUT') && error.details['url'] === url,
    );
  });

  for (const mode of ['etags', 'immutable', 'no ranges'] as const) {
    test(`a large body that is interrupted is resumed (${mode}) (${road})`, async () => {
      await using server = await FakeHttp.start({
        etags: mode === 'etags',
        ranges: mode !== 'no ranges',
        faults: [{ kind: 'truncate', bytes: 700_000, times: 1 }],
      });
      await using client = new HttpClient(QUICK);
      const url = `${server.url}/size/1500000`;
      const response = await client.fetch({ small, url, immutable: mode !== 'etags' });
      const body = await collect(response.body);
      assert.deepEqual(body, Buffer.alloc(1_500_000, '/size/1500000'));
      const { log } = await server.read();
      assert.equal(log.length, 2);
      assert.equal(log[1]?.status, mode === 'no ranges' ? 200 : 206);
    });
  }

  test(`a large body without a validator is not resumed (${road})`, async () => {
    await using server = await FakeHttp.start({
      faults: [{ kind: 'truncate', bytes: 700_000, times: 1 }],
    });
    await using client = new HttpClient(QUICK);
    const response = await client.fetch({ small, url: `${server.url}/size/1500000` });
    await assert.rejects(collect(response.body), (error) => hasCode(error, 'CONNECTION_LOST'));
  });

  test(`a slow reader slows the server down, and a reader that stops frees the client (${road})`, async () => {
    await using server = await FakeHttp.start();
    await using client = new HttpClient(QUICK);
    const before = process.memoryUsage().arrayBuffers;
    const response = await client.fetch({ small, url: `${server.url}/size/80000000` });
    assert.ok(!(response.body instanceof Uint8Array));
    for await (const _piece of response.body) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.ok(process.memoryUsage().arrayBuffers - before < 16_000_000);
      break;
    }
    assert.equal(
      (await client.fetchBytes({ small, url: `${server.url}/size/3`, maxBytes: 9 })).body.length,
      3,
    );
  });

  test(`an aborted request ends with the reason of its signal and frees its slot (${road})`, async () => {
    await using server = await FakeHttp.start({ faults: [{ kind: 'stall', times: 1 }] });
    await using client = new HttpClient({ ...QUICK, inFlight: { start: 1, min: 1, max: 1 } });
    const reason = new Error('changed my mind');
    const controller = new AbortController();
    const stalled = client.fetchBytes({
      small,
      url: `${server.url}/size/1`,
      maxBytes: 9,
      signal: controller.signal,
    });
    const next = client.fetchBytes({ small, url: `${server.url}/size/2`, maxBytes: 9 });
    setTimeout(() => controller.abort(reason), 50);
    await assert.rejects(stalled, (error) => error === reason);
    assert.equal((await next).body.length, 2);
  });

  test(`a refused connection fails every waiting request with CONNECTION_LOST (${road})`, async () => {
    const raw = createRawServer().listen(0, '127.0.0.1');
    await once(raw, 'listening');
    const { port } = raw.address() as AddressInfo;
    raw.close();
    await using client = new HttpClient(QUICK);
    const requests = Array.from({ length: 20 }, () =>
      client.fetchBytes({ small, url: `http://127.0.0.1:${port}/x`, maxBytes: 9, attempts: 2 }),
    );
    for (const result of await Promise.allSettled(requests)) {
      assert.ok(result.status === 'rejected' && hasCode(result.reason, 'CONNECTION_LOST'));
    }
  });

  test(`redirects are followed up to a limit, only to HTTP, and to another origin without credentials (${road})`, async () => {
    const other = createServer((request, response) => {
      response.end(`other ${request.headers.authorization ?? 'none'}`);
    }).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const otherUrl = `http://127.0.0.1:${(other.address() as AddressInfo).port}/there`;
    const server = createServer((request, response) => {
      const path = request.url ?? '';
      if (path === '/here')
        return void response.end(`here ${request.headers.authorization ?? 'none'}`);
      const location = {
        '/a': '/here',
        '/b': otherUrl,
        '/loop': '/loop',
        '/file': 'file:///etc/passwd',
      }[path];
      response.writeHead(302, location === undefined ? {} : { location }).end('moved');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      await using client = new HttpClient({ ...QUICK, headers: { authorization: 'Bearer t' } });
      const get = (path: string) => client.fetchBytes({ small, url: url + path, maxBytes: 100 });
      assert.equal(Buffer.from((await get('/a')).body).toString(), 'here Bearer t');
      const there = await get('/b');
      assert.equal(Buffer.from(there.body).toString(), 'other none');
      assert.equal(there.url, otherUrl);
      for (const path of ['/loop', '/file']) {
        await assert.rejects(get(path), (error) => hasCode(error, 'REDIRECT_REFUSED'));
      }
      await assert.rejects(get('/nowhere'), (error) => hasCode(error, 'HTTP_STATUS'));
    } finally {
      for (const one of [server, other]) {
        one.closeAllConnections();
        one.close();
      }
    }
  });

  test(`errors show the URL without user, password and query (${road})`, async () => {
    await using server = await FakeHttp.start();
    await using client = new HttpClient(QUICK);
    const url = server.url.replace('//', '//user:secret@');
    await assert.rejects(
      client.fetchBytes({ small, url: `${url}/none?token=secret`, maxBytes: 9 }),
      (error) => {
        assert.ok(isOnecopyError(error));
        assert.doesNotMatch(JSON.stringify([error.message, error.details]), /secret/);
        assert.match(error.message, /\/none/);
        return true;
      },
    );
  });
}

test('a configured proxy is used, except for hosts in no_proxy', async () => {
  const seen: string[] = [];
  const proxy = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    response.end('by proxy');
  });
  proxy.on('connect', (request, socket) => {
    seen.push(`CONNECT ${request.url}`);
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    socket.once('data', () => {
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nby proxy');
    });
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const httpProxy = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  try {
    await using server = await FakeHttp.start();
    await using client = new HttpClient({ ...QUICK, proxy: { httpProxy, noProxy: '127.0.0.1' } });
    const answer = await client.fetchBytes({ url: 'http://repo.invalid/x', maxBytes: 100 });
    assert.equal(Buffer.from(answer.body).toString(), 'by proxy');
    assert.equal(seen.length, 1);
    assert.match(seen[0] ?? '', /repo\.invalid/);
    const direct = await client.fetchBytes({ url: `${server.url}/size/4`, maxBytes: 9 });
    assert.equal(direct.body.length, 4);
    assert.equal(seen.length, 1);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

test('a header with a line break is refused', async () => {
  await using client = new HttpClient();
  const headers = { 'x-a': 'b\r\nHost: evil' };
  await assert.rejects(client.fetch({ url: 'http://127.0.0.1:9/', headers }), TypeError);
});

test('Retry-After of a host pauses every request to that host, and none to others', async () => {
  const faults = [
    { kind: 'status', status: 429, headers: { 'retry-after': '1' }, times: 1 },
  ] as const;
  await using server = await FakeHttp.start({ faults });
  await using other = await FakeHttp.start();
  await using client = new HttpClient({ retry: { baseMs: 0 } });
  const get = (url: string) => client.fetchBytes({ url: `${url}/size/7`, maxBytes: 9 });
  const first = get(server.url);
  while ((await server.read()).log.length === 0);
  const start = performance.now();
  await get(other.url);
  assert.ok(performance.now() - start < 900, 'another host is not waited for');
  await get(server.url);
  assert.ok(performance.now() - start > 900, 'a request that had not been refused waits as well');
  await first;
  assert.equal((await server.read()).log.length, 3);
});
