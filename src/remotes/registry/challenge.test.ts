import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Challenge, parseChallenges } from './challenge.ts';

const plain = (challenges: readonly Challenge[]) =>
  challenges.map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

const CASES: Readonly<Record<string, [string, Record<string, string>][]>> = {
  'Basic realm="reg"': [['basic', { realm: 'reg' }]],
  'BASIC Realm=reg': [['basic', { realm: 'reg' }]],
  'Bearer realm="https://a/token",service="reg",scope="repository:n:pull,push"': [
    ['bearer', { realm: 'https://a/token', service: 'reg', scope: 'repository:n:pull,push' }],
  ],
  'Bearer realm = "r" , service= "s"': [['bearer', { realm: 'r', service: 's' }]],
  'Basic realm="a", Bearer realm="b",service="c"': [
    ['basic', { realm: 'a' }],
    ['bearer', { realm: 'b', service: 'c' }],
  ],
  'Negotiate, Basic realm="a"': [
    ['negotiate', {}],
    ['basic', { realm: 'a' }],
  ],
  'Negotiate YWJj==, Basic realm=a': [
    ['negotiate', {}],
    ['basic', { realm: 'a' }],
  ],
  'NTLM YWJj=,Basic realm=a': [
    ['ntlm', {}],
    ['basic', { realm: 'a' }],
  ],
  'Bearer service="a \\"quoted\\", b\\\\c",realm=r': [
    ['bearer', { service: 'a "quoted", b\\c', realm: 'r' }],
  ],
  'Bearer realm=first,realm=second': [['bearer', { realm: 'first' }]],
  ', ,Basic realm="a",,service="b",': [['basic', { realm: 'a', service: 'b' }]],
  'Basic realm=""': [['basic', { realm: '' }]],
  'Basic realm="\xe4"': [['basic', { realm: '\xe4' }]],
  // Malformed: the challenges before it count.
  'Basic realm="a", Bearer realm="never ends': [['basic', { realm: 'a' }]],
  'Basic realm="a" service="b"': [],
  'Basic realm="a\x01b"': [],
  'Basic realm=': [['basic', {}]],
  'Basic=realm': [],
  '"Basic"': [],
  '': [],
};

for (const [header, expected] of Object.entries(CASES)) {
  test(`parseChallenges reads ${header}`, () => {
    assert.deepEqual(plain(parseChallenges(header)), expected);
  });
}

test('parseChallenges limits bytes, challenges and parameters', () => {
  assert.equal(parseChallenges(Array(10_000).fill('a').join(',')).length, 0);
  assert.equal(parseChallenges(Array(100).fill('Basic realm=x').join(',')).length, 16);
  const many = (count: number) => Array.from({ length: count }, (_, at) => `p${at}=v`).join(',');
  assert.equal(parseChallenges(`Basic ${many(32)}`)[0]?.parameters.size, 32);
  assert.deepEqual(parseChallenges(`Basic ${many(33)}`), []);
  assert.deepEqual(parseChallenges(`Basic realm="${'x'.repeat(1_000_000)}"`), []);
});

test('parseChallenges parses every header that the grammar generates', () => {
  const token = fc.stringMatching(/^[a-z0-9_.-]{1,10}$/);
  const value = fc.stringMatching(/^[\t -~]{0,20}$/);
  const challenge = fc.record({ scheme: token, parameters: fc.dictionary(token, value) });
  const blank = fc.constantFrom('', ' ', '\t ');
  fc.assert(
    fc.property(fc.array(challenge, { maxLength: 5 }), blank, (challenges, around) => {
      const text = challenges.map(({ scheme, parameters }) => {
        const list = Object.entries(parameters).map(
          ([name, text]) => `${name}${around}=${around}"${text.replace(/["\\]/g, '\\$&')}"`,
        );
        return `${scheme} ${list.join(`${around},${around}`)}`.trimEnd();
      });
      const expected = challenges.map(({ scheme, parameters }) => [scheme, { ...parameters }]);
      assert.deepEqual(plain(parseChallenges(text.join(', '))), expected);
    }),
  );
});
