import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { hasCode } from '#base/errors';
import { FakeHttp } from '../../../test/support/fake-http.ts';
import { HttpClient } from './client.ts';

/** A fresh self-signed pair for 127.0.0.1, made by openssl. */
function makePair(): { key: string; cert: string } {
  const directory = mkdtempSync(join(tmpdir(), 'onecopy-tls-'));
  try {
    const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
    const subject = ['-subj', '/CN=onecopy test', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const files = ['-keyout', key, '-out', cert, '-days', '2'];
    execFileSync('openssl', ['req', '-x509', ...curve, ...subject, ...files], { stdio: 'pipe' });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('the fast path uses TLS, keeps connections, and trusts only the given CA', async () => {
  const pair = makePair();
  await using server = await FakeHttp.start({ tls: pair });
  await using client = new HttpClient({ tls: { caPem: pair.cert }, maxConnections: 2 });
  const get = (size: number) =>
    client.fetchBytes({ url: `${server.url}/size/${size}`, maxBytes: 400_000 });
  const bodies = await Promise.all([1, 2, 3, 4, 5, 300_000].map(get));
  assert.deepEqual(
    bodies.map(({ body }) => body.length),
    [1, 2, 3, 4, 5, 300_000],
  );
  assert.ok((await server.read()).connections <= 2);
  await using stranger = new HttpClient({ retry: { baseMs: 1 } });
  await assert.rejects(
    stranger.fetchBytes({ url: `${server.url}/size/1`, maxBytes: 9 }),
    (error) => hasCode(error, 'TLS_UNTRUSTED') && error.details['retryable'] === false,
  );
});

test('a configured client certificate is presented, and a missing one is an error', async () => {
  const pair = makePair();
  const user = makePair();
  await using server = await FakeHttp.start({ tls: { ...pair, clientCa: user.cert } });
  const url = `${server.url}/size/5`;
  const tls = { caPem: pair.cert, certPem: user.cert, keyPem: user.key };
  await using client = new HttpClient({ tls });
  assert.equal((await client.fetchBytes({ url, maxBytes: 9 })).body.length, 5);
  await using naked = new HttpClient({ tls: { caPem: pair.cert }, retry: { baseMs: 1 } });
  await assert.rejects(naked.fetchBytes({ url, maxBytes: 9, attempts: 2 }), (error) =>
    hasCode(error, 'CONNECTION_LOST'),
  );
});

test('a client certificate is not presented to another origin after a redirect', async () => {
  const pair = makePair();
  const user = makePair();
  const shown: boolean[] = [];
  const serve = async (answer: (response: ServerResponse) => void) => {
    const options = { ...pair, requestCert: true, rejectUnauthorized: false };
    const server = createServer(options, (request, response) => {
      shown.push(Object.keys((request.socket as TLSSocket).getPeerCertificate()).length > 0);
      answer(response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { server, url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/x` };
  };
  const other = await serve((response) => void response.end('other'));
  const asked = await serve((response) => {
    response.writeHead(307, { location: other.url }).end();
  });
  try {
    const tls = { caPem: pair.cert, certPem: user.cert, keyPem: user.key };
    await using client = new HttpClient({ tls });
    const answer = await client.fetchBytes({ url: asked.url, maxBytes: 9 });
    assert.equal(Buffer.from(answer.body).toString(), 'other');
    assert.deepEqual(shown, [true, false]);
  } finally {
    for (const { server } of [asked, other]) {
      server.closeAllConnections();
      server.close();
    }
  }
});

test('a client without verification accepts any certificate', async () => {
  await using server = await FakeHttp.start({ tls: makePair() });
  await using client = new HttpClient({ tls: { permissive: true } });
  const answer = await client.fetchBytes({ url: `${server.url}/size/5`, maxBytes: 9 });
  assert.equal(answer.body.length, 5);
});
