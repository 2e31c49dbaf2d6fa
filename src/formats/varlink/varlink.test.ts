import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  encodeCall,
  encodeError,
  encodeReply,
  findMistake,
  MessageSplitter,
  parseCall,
  parseInterface,
  parseReply,
  printInterface,
  typesOf,
} from '#formats/varlink';

const GOLDEN = new URL('../../../test/golden/cfsctl/varlink/', import.meta.url);

const call = { method: 'a.b.C', parameters: { x: 'a\0b' }, more: true, oneway: false };

test('parsing an encoded call gives the same call', () => {
  const bytes = encodeCall(call);
  assert.equal(bytes.indexOf(0), bytes.length - 1);
  assert.deepEqual(parseCall(bytes.subarray(0, -1)), call);
  const bare = encodeCall({ method: 'a.b.C', parameters: {}, more: false, oneway: false });
  assert.equal(String(bare), '{"method":"a.b.C"}\0');
});

test('replies and errors are written as composefs-rs writes them', () => {
  assert.equal(
    String(encodeReply({ a: null }, true)),
    '{"parameters":{"a":null},"continues":true}\0',
  );
  assert.equal(String(encodeReply(undefined, false)), '{"continues":false}\0');
  const error = String(encodeError('a.b.No', { handle: 1 }));
  assert.equal(error, '{"error":"a.b.No","parameters":{"handle":1}}\0');
  assert.deepEqual(parseReply(Buffer.from(error.slice(0, -1))), {
    parameters: { handle: 1 },
    continues: false,
    error: 'a.b.No',
  });
});

test('a malformed message is refused', () => {
  const bad = [
    '',
    'nonsense',
    '[]',
    'null',
    '"x"',
    '{}',
    '{"method":5}',
    '{"method":"a.b.C","parameters":[]}',
    '{"method":"a.b.C","parameters":"x"}',
    '{"method":"a.b.C","more":1}',
    '{"method":"a.b.C","oneway":"yes"}',
    '{"method":"a.b.C"',
    '{"method":"a.b.\xff"}',
  ];
  for (const text of bad) {
    assert.throws(
      () => parseCall(Buffer.from(text, 'latin1')),
      { code: 'VARLINK_MESSAGE_INVALID' },
      text,
    );
  }
  for (const text of ['{"error":1}', '{"continues":"x"}']) {
    assert.throws(() => parseReply(Buffer.from(text)), { code: 'VARLINK_MESSAGE_INVALID' });
  }
});

test('a message with too many values is refused, and a longer one with few values is accepted', () => {
  const many = `{"method":"a.b.C","parameters":{"x":[${'[],'.repeat(600_000)}[]]}}`;
  assert.throws(() => parseCall(Buffer.from(many)), { code: 'VARLINK_MESSAGE_INVALID' });
  const long = `{"method":"a.b.C","parameters":{"x":"${',[{\\"'.repeat(400_000)}"}}`;
  assert.equal(parseCall(Buffer.from(long)).method, 'a.b.C');
});

test('the splitter gives the same messages however the bytes are cut', () => {
  const bytes = Buffer.concat([encodeCall(call), Buffer.from('\0'), encodeReply({ y: 1 }, false)]);
  const whole = [...new MessageSplitter().push(bytes)].map(String);
  assert.equal(whole.length, 3);
  for (let at = 0; at <= bytes.length; at += 1) {
    const splitter = new MessageSplitter();
    const parts = [bytes.subarray(0, at), bytes.subarray(at)];
    assert.deepEqual(
      parts.flatMap((part) => [...splitter.push(part)].map(String)),
      whole,
    );
    assert.equal(splitter.pendingBytes, 0);
  }
});

test('the interface descriptions of composefs-rs parse, and parse to the same after printing', () => {
  for (const name of readdirSync(GOLDEN).filter((file) => file.endsWith('.varlink'))) {
    const parsed = parseInterface(readFileSync(new URL(name, GOLDEN), 'utf8'));
    assert.equal(`${parsed.name}.varlink`, name);
    const again = parseInterface(printInterface(parsed));
    assert.deepEqual(again, parsed, name);
  }
});

const EXAMPLE = `# About it
interface org.example.it

type Part (name: string, more: ?[]Part)

# Does something.
#
# Really.
method Do(part: Part, kind: (one, two), map: [string]int, any: ?object) -> (at: float, on: bool)

error No ()
`;

test('printing a parsed interface gives its source text', () => {
  assert.equal(printInterface(parseInterface(EXAMPLE)), EXAMPLE);
});

test('a malformed interface is refused with the offset of the fault', () => {
  const bad: readonly [string, number][] = [
    ['', 0],
    ['interface a', 10],
    ['interface a.b method', 14],
    ['interface a.b method m() -> ()', 21],
    ['interface a.b method M() -> (x)', 28],
    ['interface a.b method M(x: T) -> ()', 26],
    ['interface a.b method M(x: ??int) -> ()', 26],
    ['interface a.b method M(x: int, y) -> ()', 31],
    ['interface a.b method M(x, y: int) -> ()', 26],
    ['interface a.b type T (a, a)', 0],
    ['interface a.b type T () type T ()', 0],
    ['interface a.b type T (x: []int', 27],
    ['interface a.b type T (1x: int)', 22],
    ['interface a.b !', 14],
    [`interface a.b type T (x: ${'[]'.repeat(100)}int)`, 87],
    [`interface a.b type T ${'(x: '.repeat(100)}`, 85],
  ];
  for (const [text, offset] of bad) {
    assert.throws(
      () => parseInterface(text),
      { code: 'VARLINK_INTERFACE_INVALID', details: { offset, what: 'varlink interface' } },
      text,
    );
  }
});

test('a value is checked against its type, and the error names the fault', () => {
  const described = parseInterface(EXAMPLE);
  const types = typesOf(described);
  const method = described.members.find(({ kind }) => kind === 'method');
  assert.ok(method?.kind === 'method');
  const good = { part: { name: 'x', more: [{ name: 'y' }] }, kind: 'one', map: { a: 1 } };
  const cases: readonly [unknown, string | undefined][] = [
    [good, undefined],
    [{ ...good, extra: 1, any: { deep: [] } }, undefined],
    [{ ...good, any: null }, undefined],
    [5, ''],
    [{ ...good, part: undefined }, 'part'],
    [{ ...good, part: { name: 1 } }, 'part.name'],
    [{ ...good, part: { name: 'x', more: [{ name: 'y' }, {}] } }, 'part.more.1.name'],
    [{ ...good, part: [] }, 'part'],
    [{ ...good, kind: 'three' }, 'kind'],
    [{ ...good, map: { a: 1.5 } }, 'map.a'],
    [{ ...good, map: { a: 2 ** 53 } }, 'map.a'],
    [{ ...good, map: [] }, 'map'],
  ];
  for (const [value, mistake] of cases) {
    assert.equal(findMistake(value, method.input, types), mistake, JSON.stringify(value));
  }
});

test('a value nested above the limit is refused', () => {
  const described = parseInterface(EXAMPLE);
  let value: object = { name: 'x' };
  for (let depth = 0; depth < 100; depth += 1) value = { name: 'x', more: [value] };
  const mistake = findMistake(value, { kind: 'named', name: 'Part' }, typesOf(described));
  assert.match(mistake ?? '', /^more\.0/);
});
