import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { HttpClient } from './client.ts';

const STALL_MS = 400;

/** A server whose responses never end. @param say called for each connection after its request has arrived */
async function endless(say: (socket: Socket) => unknown) {
  const timers = new Set<NodeJS.Timeout>();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      const tick = say(socket);
      if (typeof tick !== 'function') return;
      const timer = setInterval(() => socket.writable && tick(), 20);
      timers.add(timer);
      socket.once('close', () => clearInterval(timer));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`,
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearInterval(timer);
      server.close();
    },
  };
}

/** Writes `text` repeatedly, as fast as the client reads. */
function flood(socket: Socket, text: string): void {
  const block = Buffer.from(text.repeat(Math.ceil(65_536 / text.length)));
  const more = () => {
    while (socket.writable && socket.write(block));
  };
  socket.on('drain', more);
  more();
}

const HEAD = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${HEAD}transfer-encoding: chunked\r\n\r\n`;

/** Responses of an endless server, and the expected errors of the client. */
const CASES = {
  'a storm of interim heads': {
    say: (socket: Socket) => flood(socket, 'HTTP/1.1 102 Processing\r\n\r\n'),
    code: 'PROTOCOL_BROKEN',
  },
  'an interim head now and then': {
    say: (socket: Socket) => () => socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'),
    code: /PROTOCOL_BROKEN|TIMEOUT/,
  },
  'endless headers': {
    say: (socket: Socket) => {
      socket.write(HEAD);
      flood(socket, `x-name: ${'v'.repeat(1000)}\r\n`);
    },
    code: 'PROTOCOL_BROKEN',
  },
  'a head of one byte at a time': {
    say: (socket: Socket) => {
      socket.write(`${HEAD}x-name: `);
      return () => socket.write('v');
    },
    code: 'TIMEOUT',
  },
  'a body of one byte at a time': {
    say: (socket: Socket) => {
      socket.write(`${HEAD}content-length: 1000000\r\n\r\n`);
      return () => socket.write('v');
    },
    code: 'TIMEOUT',
  },
  'chunks of one byte at a time': {
    say: (socket: Socket) => {
      socket.write(CHUNKED);
      return () => socket.write('1\r\nv\r\n');
    },
    code: 'TIMEOUT',
  },
  'endless trailers': {
    say: (socket: Socket) => {
      socket.write(`${CHUNKED}0\r\n`);
      flood(socket, `x-name: ${'v'.repeat(1000)}\r\n`);
    },
    code: 'PROTOCOL_BROKEN',
  },
  'trailers of one byte at a time': {
    say: (socket: Socket) => {
      socket.write(`${CHUNKED}0\r\nx-name: `);
      return () => socket.write('v');
    },
    code: 'TIMEOUT',
  },
  'an endless body': {
    say: (socket: Socket) => {
      socket.write(`${HEAD}\r\n`);
      flood(socket, 'body');
    },
    code: 'RESPONSE_TOO_LARGE',
  },
  'an endless chunk line': {
    say: (socket: Socket) => {
      socket.write(`${CHUNKED}1;`);
      flood(socket, 'extension');
    },
    code: /PROTOCOL_BROKEN|TIMEOUT/,
  },
  'tiny chunks with long extensions': {
    say: (socket: Socket) => {
      socket.write(CHUNKED);
      flood(socket, `1;${'e'.repeat(2000)}\r\nv\r\n`);
    },
    code: /PROTOCOL_BROKEN|TIMEOUT|RESPONSE_TOO_LARGE/,
  },
  'an endless error page': {
    say: (socket: Socket) => {
      socket.write('HTTP/1.1 404 Not Found\r\n\r\n');
      flood(socket, 'sorry ');
    },
    code: 'HTTP_STATUS',
  },
} as const;

for (const [name, { say, code }] of Object.entries(CASES)) {
  for (const small of [true, false]) {
    test(`${name}: refused in bounded time and memory (${small ? 'fast' : 'general'} road)`, async () => {
      await using server = await endless(say);
      await using client = new HttpClient({ noDataTimeoutMs: STALL_MS });
      const before = process.memoryUsage().rss;
      const start = performance.now();
      await assert.rejects(
        client.fetchBytes({ url: server.url, small, maxBytes: 1_000_000, attempts: 1 }),
        (error) => {
          const found = (error as { code: string }).code;
          assert.ok(typeof code === 'string' ? hasCode(error, code) : code.test(found), found);
          return true;
        },
      );
      assert.ok(performance.now() - start < STALL_MS * 20, 'in time');
      assert.ok(process.memoryUsage().rss - before < 100_000_000, 'within bounded memory');
    });
  }
}

test('a slow body is tolerated while other bodies of its server are fast, and fails when it is alone', async () => {
  for (const small of [true, false]) {
    let first = true;
    await using server = await endless((socket) => {
      socket.write(`${HEAD}content-length: 900000\r\n\r\n`);
      const isSlow = first;
      first = false;
      return () => socket.write(isSlow ? 'v' : 'v'.repeat(18_000));
    });
    await using client = new HttpClient({ noDataTimeoutMs: STALL_MS });
    const get = () =>
      client.fetchBytes({ url: server.url, small, maxBytes: 1_000_000, attempts: 1 });
    const start = performance.now();
    const slow = get().then(
      () => assert.fail('it never ends'),
      () => performance.now() - start,
    );
    const { body } = await get();
    assert.equal(body.length, 900_000);
    assert.ok((await slow) >= 1000, 'not while the other one went on');
  }
});
