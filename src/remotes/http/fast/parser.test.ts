import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '#base/errors';
import { MAX_HEAD_BYTES } from './limits.ts';
import { type KeptHead, ResponseParser } from './parser.ts';

interface Seen {
  readonly responses: { head: KeptHead; body: string; ended: boolean }[];
}

function reader(methods: readonly string[]): { parser: ResponseParser; seen: Seen } {
  const seen: Seen = { responses: [] };
  const parser = new ResponseParser({
    onHead: (head) => void seen.responses.push({ head, body: '', ended: false }),
    onBody: (piece) => {
      const last = seen.responses.at(-1);
      assert.ok(last !== undefined && !last.ended, 'a body piece belongs to an open response');
      last.body += Buffer.from(piece).toString('latin1');
    },
    onEnd: () => {
      const last = seen.responses.at(-1);
      assert.ok(last !== undefined && !last.ended, 'a response ends once');
      last.ended = true;
    },
  });
  for (const method of methods) parser.expect(method);
  return { parser, seen };
}

function read(
  text: string,
  methods: readonly string[] = ['GET'],
  cuts: readonly number[] = [],
): Seen {
  const { parser, seen } = reader(methods);
  const bytes = Buffer.from(text, 'latin1');
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    parser.push(bytes.subarray(from, cut));
    from = Math.max(from, cut);
  }
  parser.push(bytes.subarray(from));
  return seen;
}

const CONVERSATION =
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "a"\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello' +
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' +
  '4;name=value\r\nwiki\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n' +
  'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n' +
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n' +
  'HTTP/1.1 204\r\n\r\n' +
  'HTTP/1.1 206 Partial Content\r\ncontent-length: 0\r\n\r\n' +
  'HTTP/1.1 404 Not Found\nContent-Length: 2\n\nno';
const METHODS = ['GET', 'GET', 'HEAD', 'GET', 'GET', 'GET', 'GET'];

function assertConversation(seen: Seen): void {
  assert.deepEqual(
    seen.responses.map(({ head, body, ended }) => [head.status, body, head.contentLength, ended]),
    [
      [200, 'hello', 5, true],
      [200, 'wiki0123456789', undefined, true],
      [200, '', 0, true],
      [304, '', 0, true],
      [204, '', 0, true],
      [206, '', 0, true],
      [404, 'no', 2, true],
    ],
  );
  assert.equal(seen.responses[0]?.head.headers.get('x-a'), '1, 2');
  assert.equal(seen.responses[0]?.head.headers.get('etag'), '"a"');
  assert.ok(seen.responses.every(({ head }) => head.keepAlive));
}

test('responses of every framing are read in order', () => {
  assertConversation(read(CONVERSATION, METHODS));
});

test('any split of the bytes gives the same events', () => {
  const cut = fc.integer({ min: 0, max: CONVERSATION.length });
  fc.assert(
    fc.property(fc.array(cut, { maxLength: 40 }), (cuts) => {
      assertConversation(read(CONVERSATION, METHODS, cuts));
    }),
    { numRuns: 300 },
  );
  assertConversation(
    read(
      CONVERSATION,
      METHODS,
      [...CONVERSATION].map((_, at) => at),
    ),
  );
});

test('a body without a length ends when the connection closes', () => {
  const { parser, seen } = reader(['GET']);
  parser.push(Buffer.from('HTTP/1.1 200 OK\r\n\r\nall of it'));
  assert.equal(seen.responses[0]?.ended, false);
  assert.equal(seen.responses[0]?.head.keepAlive, false);
  assert.equal(parser.close(), true);
  assert.deepEqual([seen.responses[0]?.body, seen.responses[0]?.ended], ['all of it', true]);
});

test('a response truncated at any byte is not complete', () => {
  const whole = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
  for (let length = 1; length < whole.length; length++) {
    const { parser, seen } = reader(['GET']);
    parser.push(Buffer.from(whole.slice(0, length)));
    assert.equal(parser.close(), false, `cut at ${length}`);
    assert.notEqual(seen.responses[0]?.ended, true);
  }
});

for (const [text, keepAlive] of [
  ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Upgrade, close\r\n\r\n', false],
  ['HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n', false],
  ['HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n', true],
  ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: disclose\r\n\r\n', true],
] as const) {
  test(`keep-alive is ${keepAlive} for ${JSON.stringify(text)}`, () => {
    assert.equal(read(text).responses[0]?.head.keepAlive, keepAlive);
  });
}

for (const [what, text] of [
  ['another protocol', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['HTTP/2 in clear', 'HTTP/2 200\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['both framings', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n'],
  ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
  ['a length beyond the safe range', 'HTTP/1.1 200 OK\r\nContent-Length: 9007199254740993\r\n\r\n'],
  ['an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'],
  ['a folded header', 'HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\n\r\n'],
  ['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\n'],
  ['a NUL in a value', 'HTTP/1.1 200 OK\r\nX-A: \0\r\n\r\n'],
  ['a bare CR in a value', 'HTTP/1.1 200 OK\r\nX-A: a\rContent-Length: 1\r\n\r\n'],
  ['a protocol switch', 'HTTP/1.1 101 Switching\r\n\r\n'],
  ['a chunk size that is no hex', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
  ['a signed chunk size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n'],
  [
    'a chunk size of fourteen digits',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000\r\n',
  ],
  [
    'a chunk without its line end',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n',
  ],
  ['an endless head', `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(MAX_HEAD_BYTES)}\r\n\r\n`],
  [
    'an endless chunk line',
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;${'a'.repeat(5000)}\r\n`,
  ],
] as const) {
  test(`a response with ${what} is refused`, () => {
    assert.throws(
      () => read(text),
      (error) =>
        hasCode(error, 'RESPONSE_MALFORMED') && typeof error.details['offset'] === 'number',
    );
    assert.throws(
      () =>
        read(
          text,
          ['GET'],
          [...text].map((_, at) => at),
        ),
      (error) => hasCode(error, 'RESPONSE_MALFORMED'),
    );
  });
}

test('a response without a request is refused', () => {
  assert.throws(
    () => read('HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n', []),
    (error) => hasCode(error, 'RESPONSE_MALFORMED'),
  );
});

test('arbitrary bytes give events or RESPONSE_MALFORMED, and no more body than input', () => {
  const token = fc.constantFrom(
    'HTTP/1.1 200 OK\r\n',
    'HTTP/1.1 100 Continue\r\n',
    'HTTP/1.0 404 x\r\n',
    'Content-Length: 3\r\n',
    'Content-Length: 0\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Connection: close\r\n',
    '\r\n',
    '3\r\nabc\r\n',
    '0\r\n\r\n',
    'abc',
    '\n',
    '\r',
  );
  const text = fc
    .array(fc.oneof({ weight: 8, arbitrary: token }, fc.string({ maxLength: 6 })), {
      maxLength: 24,
    })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, fc.array(fc.nat(300), { maxLength: 5 }), (input, cuts) => {
      try {
        const seen = read(
          input,
          ['GET', 'HEAD', 'GET'],
          cuts.filter((cut) => cut <= input.length),
        );
        assert.ok(
          seen.responses.reduce((sum, { body }) => sum + body.length, 0) <= input.length * 2,
        );
        assert.ok(seen.responses.length <= 3);
      } catch (error) {
        if (!hasCode(error, 'RESPONSE_MALFORMED')) throw error;
      }
    }),
    { numRuns: 1500 },
  );
});
