import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { HttpClient } from './client.ts';
import type { Authorizer } from './request.ts';

const QUICK = { retry: { attempts: 3, baseMs: 1, capMs: 2 } } as const;
const BODY = Buffer.alloc(300_000, 'body ');

interface Asked {
  readonly line: string;
  readonly authorization: string | undefined;
  readonly body: Buffer;
}

/** A server that reads complete bodies and records its requests. */
async function serve(answer: (asked: Asked, response: ServerResponse, count: number) => void) {
  const seen: Asked[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const { method, url, headers } = request;
    const { authorization } = headers;
    const asked = { line: `${method} ${url}`, authorization, body: Buffer.concat(pieces) };
    seen.push(asked);
    answer(asked, response, seen.length);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    seen,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function* pieces(): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < BODY.length; at += 70_000) yield BODY.subarray(at, at + 70_000);
}

/** Tokens 1, 2, …; one more after each refusal, up to a limit. */
class Counting implements Authorizer {
  #token = 1;
  denied = 0;
  readonly #limit: number;

  constructor(limit = 2) {
    this.#limit = limit;
  }

  async headers() {
    return { authorization: `Bearer ${this.#token}` };
  }

  async onDenied() {
    this.denied++;
    return this.#token++ < this.#limit;
  }
}

const accept = [200, 201];

test('a body is sent from bytes or from a source, with its length', async () => {
  await using server = await serve((_asked, response) => void response.writeHead(201).end());
  await using client = new HttpClient(QUICK);
  for (const content of [BODY, pieces(), () => pieces()]) {
    const headers = { 'content-length': String(BODY.length) };
    await client.fetchBytes({
      url: server.url,
      method: 'PUT',
      content,
      headers,
      accept,
      maxBytes: 9,
    });
    assert.deepEqual(server.seen.at(-1)?.body, BODY);
  }
});

test('a failed upload is not repeated unless the request allows it', async () => {
  await using server = await serve((_asked, response, count) => {
    if (count % 2 === 0) response.writeHead(201).end();
    else response.destroy();
  });
  await using client = new HttpClient(QUICK);
  const put = { url: server.url, method: 'PUT', content: BODY, accept, maxBytes: 9 };
  await assert.rejects(client.fetchBytes(put), (error) => hasCode(error, 'CONNECTION_LOST'));
  assert.equal(server.seen.length, 1);
  server.seen.length = 0;
  assert.equal((await client.fetchBytes({ ...put, attempts: 2 })).status, 201);
  assert.equal(server.seen.length, 2);
  server.seen.length = 0;
  await assert.rejects(client.fetchBytes({ ...put, content: pieces(), attempts: 2 }));
  assert.equal(server.seen.length, 1, 'a source is gone once it was read');
});

test('a 401 is retried once with new credentials, also for an upload that can be read again', async () => {
  await using server = await serve(({ authorization }, response) => {
    response.writeHead(authorization === 'Bearer 2' ? 201 : 401).end();
  });
  await using client = new HttpClient(QUICK);
  for (const content of [undefined, BODY, () => pieces()]) {
    server.seen.length = 0;
    const body = content === undefined ? {} : { method: 'PUT', content };
    const authorizer = new Counting();
    await client.fetchBytes({ url: server.url, ...body, authorizer, accept, maxBytes: 9 });
    assert.deepEqual(
      server.seen.map((asked) => asked.authorization),
      ['Bearer 1', 'Bearer 2'],
    );
    assert.equal(server.seen[1]?.body.length, content === undefined ? 0 : BODY.length);
  }
  server.seen.length = 0;
  const authorizer = new Counting();
  const once = { url: server.url, method: 'PUT', content: pieces(), authorizer, accept };
  await assert.rejects(client.fetchBytes({ ...once, maxBytes: 9 }), (error) =>
    hasCode(error, 'HTTP_DENIED'),
  );
  assert.equal(server.seen.length, 1);
});

test('a second 401 is final', async () => {
  await using server = await serve((_asked, response) => void response.writeHead(401).end());
  await using client = new HttpClient(QUICK);
  const authorizer = new Counting(100);
  await assert.rejects(client.fetchBytes({ url: server.url, authorizer, maxBytes: 9 }), (error) =>
    hasCode(error, 'HTTP_DENIED'),
  );
  assert.equal(server.seen.length, 2);
  assert.equal(authorizer.denied, 1);
});

test('credentials that expire during a body are renewed', async () => {
  const blob = Buffer.alloc(900_000, 'blob');
  await using server = await serve(({ authorization }, response, count) => {
    if (count === 2 || authorization === undefined) return void response.writeHead(401).end();
    response.writeHead(count === 1 ? 200 : 206, {
      'content-length': count === 1 ? blob.length : blob.length - 500_000,
      ...(count === 1 ? {} : { 'content-range': `bytes 500000-899999/${blob.length}` }),
    });
    if (count === 1) response.write(blob.subarray(0, 500_000), () => response.destroy());
    else response.end(blob.subarray(500_000));
  });
  await using client = new HttpClient(QUICK);
  const authorizer = new Counting();
  const { body } = await client.fetch({ url: server.url, authorizer, immutable: true });
  const found: Uint8Array[] = [];
  for await (const piece of body as AsyncIterable<Uint8Array>) found.push(piece);
  assert.deepEqual(Buffer.concat(found), blob);
  assert.deepEqual(
    server.seen.map((asked) => asked.authorization),
    ['Bearer 1', 'Bearer 1', 'Bearer 2'],
  );
});

test('an upload follows 307 and 308 with its body, and no other redirect', async () => {
  let status = 307;
  await using server = await serve(({ line }, response) => {
    if (line.endsWith('/there')) response.writeHead(201).end();
    else response.writeHead(status, { location: '/there' }).end();
  });
  await using client = new HttpClient(QUICK);
  const put = (content: Buffer | AsyncIterable<Uint8Array>) =>
    client.fetchBytes({ url: `${server.url}/a`, method: 'PUT', content, accept, maxBytes: 9 });
  for (status of [307, 308]) {
    assert.equal((await put(BODY)).status, 201);
    assert.deepEqual(server.seen.at(-1)?.body, BODY);
    await assert.rejects(put(pieces()), (error) => hasCode(error, 'HTTP_STATUS'));
  }
  for (status of [301, 302, 303]) {
    await assert.rejects(put(BODY), (error) => hasCode(error, 'REDIRECT_REFUSED'));
  }
});

test('the error of a refused upload is made from at most 64 KiB of the response', async () => {
  await using server = await serve((_asked, response) => {
    response.writeHead(418).end(Buffer.alloc(1_000_000, 'tea'));
  });
  await using client = new HttpClient(QUICK);
  const refused = new Error('my own');
  const lengths: number[] = [];
  for (const read of ['fetch', 'fetchBytes'] as const) {
    const onRefused = ({ body }: { body: Uint8Array }) => {
      lengths.push(body.length);
      return refused;
    };
    const request = { url: server.url, onRefused, maxBytes: 2_000_000 };
    await assert.rejects(client[read](request), (error) => error === refused);
  }
  assert.deepEqual(lengths, [65_536, 65_536]);
});

test('a URL from another origin gets no credentials and must not lead into this host', async () => {
  await using other = await serve((_asked, response) => void response.writeHead(201).end());
  await using client = new HttpClient({ ...QUICK, headers: { authorization: 'Basic c' } });
  const namedBy = new URL('http://127.0.0.1:1/v2/');
  await client.fetchBytes({ url: other.url, namedBy, accept, maxBytes: 9 });
  await client.fetchBytes({ url: other.url, namedBy: new URL(other.url), accept, maxBytes: 9 });
  assert.deepEqual(
    other.seen.map((asked) => asked.authorization),
    [undefined, 'Basic c'],
  );
  const from = new URL('https://registry.example/v2/');
  for (const url of [
    other.url,
    'http://169.254.169.254/latest',
    'http://[::1]:9/',
    'http://0.0.0.0/',
  ]) {
    await assert.rejects(client.fetchBytes({ url, namedBy: from, maxBytes: 9 }), (error) =>
      hasCode(error, 'REDIRECT_REFUSED'),
    );
  }
});
