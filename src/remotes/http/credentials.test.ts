import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { HttpClient } from './client.ts';
import type { BegunRequest } from './request.ts';

const SECRETS = { authorization: 'Bearer t', cookie: 'a=b', 'x-key': 'k' };
const BODY = Buffer.alloc(1_000_000, 'blob of a thousand thousand bytes ');

interface Seen {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** A server on loopback that records its requests. */
class Notes implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly #server;

  constructor(answer: (url: URL, response: ServerResponse, headers: IncomingHttpHeaders) => void) {
    this.#server = createServer((request, response) => {
      const { url = '', headers } = request;
      this.seen.push({ url, headers });
      answer(new URL(url, 'http://any'), response, headers);
    });
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** Serves BODY, from a requested offset; `cut` ends the connection after this number of bytes. */
function serve(response: ServerResponse, headers: IncomingHttpHeaders, cut?: number): void {
  const offset = Number(/^bytes=([0-9]+)-/.exec(headers.range ?? '')?.[1] ?? 0);
  const body = BODY.subarray(offset);
  const range = `bytes ${offset}-${BODY.length - 1}/${BODY.length}`;
  const ranged = offset === 0 ? {} : { 'content-range': range };
  response.writeHead(offset === 0 ? 200 : 206, { 'content-length': body.length, ...ranged });
  if (cut === undefined) response.end(body);
  else response.write(body.subarray(0, cut), () => response.destroy());
}

/** Sends a request with all kinds of secrets, with `fetch` or the requester for small files, and reads the complete body. */
async function ask(url: string, short: boolean): Promise<Buffer> {
  await using client = new HttpClient({
    headers: SECRETS,
    retry: { attempts: 4, baseMs: 1, capMs: 2 },
  });
  const begun = short ? await beginShort(client, new URL(url)) : undefined;
  // What was begun has the client's headers alone.
  const headers = short ? {} : { 'x-request-key': 'r' };
  const { body } = await client.fetch({ url, headers, begun, immutable: true });
  if (body instanceof Uint8Array) return Buffer.from(body);
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

function beginShort(client: HttpClient, url: URL): Promise<BegunRequest> {
  const way = client.openShort(url, undefined) ?? assert.fail('there is no short way');
  return new Promise((resolve, reject) => {
    const onBytes = () => reject(new Error('a redirect is no body'));
    way.fetch(url.pathname, 1, { onBytes, onBegun: resolve });
  });
}

const secretsIn = ({ headers }: Seen) =>
  [...Object.keys(SECRETS), 'x-request-key'].filter((name) => headers[name] !== undefined);

/** Failures at the other host, and the number of requests to it and to the original host. */
const ROADS = {
  first: { requests: 1 },
  retry: { requests: 2, fault: (r: ServerResponse) => void r.writeHead(503).end() },
  resume: {
    requests: 2,
    fault: (r: ServerResponse, h: IncomingHttpHeaders) => serve(r, h, 600_000),
  },
} as const;

for (const [road, plan] of Object.entries(ROADS)) {
  for (const elsewhere of ['another port', 'another host'] as const) {
    for (const way of ['fetch', 'short'] as const) {
      test(`${elsewhere} after a redirect receives no credentials (${road}, ${way})`, async () => {
        await using other = new Notes((_url, response, headers) => {
          if (other.seen.length === 1 && 'fault' in plan) plan.fault(response, headers);
          else serve(response, headers);
        });
        const host = elsewhere === 'another port' ? '127.0.0.1' : 'localhost';
        const there = `http://${host}:${await other.listen()}/there`;
        await using asked = new Notes((_url, response) => {
          response.writeHead(307, { location: there }).end();
        });
        const url = `http://127.0.0.1:${await asked.listen()}/blob`;
        assert.deepEqual(await ask(url, way === 'short'), BODY);
        assert.deepEqual(
          other.seen.map(secretsIn),
          Array.from({ length: plan.requests }, () => []),
        );
        const all = [...Object.keys(SECRETS), ...(way === 'short' ? [] : ['x-request-key'])];
        assert.deepEqual(
          asked.seen.map(secretsIn),
          Array.from({ length: plan.requests }, () => all),
          'the host asked first is asked again, with its credentials',
        );
      });
    }
  }
}

test('the original host gets no credentials if another host redirects back to it', async () => {
  await using asked = new Notes((url, response, headers) => {
    if (url.pathname === '/back') serve(response, headers);
    else response.writeHead(302, { location: `${there}/` }).end();
  });
  const url = `http://127.0.0.1:${await asked.listen()}`;
  await using other = new Notes((_url, response) => {
    response.writeHead(302, { location: `${url}/back` }).end();
  });
  const there = `http://127.0.0.1:${await other.listen()}`;
  assert.deepEqual(await ask(`${url}/blob`, false), BODY);
  assert.deepEqual(
    asked.seen.map((seen) => secretsIn(seen).length),
    [4, 0],
  );
});

for (const status of [400, 401, 403, 404, 410]) {
  test(`an expired link (${status}) is requested again at the original URL`, async () => {
    let links = 0;
    // Four links: the first is refused, the second breaks off, the third is refused, the last serves the rest.
    await using other = new Notes((_url, response, headers) => {
      if (links === 1 || links === 3) response.writeHead(status).end('expired');
      else serve(response, headers, links === 2 ? 600_000 : undefined);
    });
    const port = await other.listen();
    await using asked = new Notes((_url, response) => {
      const location = `http://127.0.0.1:${port}/there?signature=${links++}`;
      response.writeHead(307, { location }).end();
    });
    const url = `http://127.0.0.1:${await asked.listen()}/blob`;
    assert.deepEqual(await ask(url, false), BODY);
    assert.deepEqual(
      other.seen.map((seen) => seen.url.slice(-1)),
      ['0', '1', '2', '3'],
      'no link is asked twice',
    );
    assert.equal(asked.seen.length, 4);
  });
}

test('a new link that is refused at once fails for good', async () => {
  await using other = new Notes((_url, response) => void response.writeHead(403).end());
  const there = `http://127.0.0.1:${await other.listen()}/there`;
  await using asked = new Notes((_url, response) => {
    response.writeHead(307, { location: there }).end();
  });
  const url = `http://127.0.0.1:${await asked.listen()}/blob`;
  await assert.rejects(ask(url, false), (error) => hasCode(error, 'HTTP_DENIED'));
  assert.equal(asked.seen.length, 2);
});

test('a redirect to a URL with a user name is refused', async () => {
  await using asked = new Notes((_url, response) => {
    response.writeHead(302, { location: 'http://user:word@127.0.0.1:9/' }).end();
  });
  const url = `http://127.0.0.1:${await asked.listen()}/blob`;
  await assert.rejects(ask(url, false), (error) => hasCode(error, 'REDIRECT_REFUSED'));
});
