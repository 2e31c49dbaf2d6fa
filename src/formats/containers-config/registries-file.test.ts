import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode, isOnecopyError } from '#base/errors';
import { parseAliasCache, parseRegistriesFile } from './registries-file.ts';

const NAME = '/etc/containers/registries.conf';
const parse = (text: string) => parseRegistriesFile({ name: NAME, text });

const REFUSED: readonly string[] = [
  '[[registry]]\nlocation = "https://a.test"',
  '[[registry]]\nprefix = "http://a.test"\nlocation = "a.test"',
  '[[registry]]\nlocation = 5',
  '[[registry]]\nlocation = "a.test"\ninsecure = "true"',
  '[[registry]]\nlocation = "a.test"\nblocked = 1979-05-27',
  '[registry]\nlocation = "a.test"',
  'registry = [1]',
  '[[registry]]\nlocation = "a.test"\npull-from-mirror = "all"',
  '[[registry]]\nprefix = "*.a.test:5000"',
  '[[registry]]\nprefix = "*.a.test@x"',
  '[[registry]]\nprefix = "x"\nlocation = "a.test"\nblocked = true\n[[registry]]\nlocation = "a.test"',
  '[[registry]]\nlocation = "a.test"\nInsecure = true\ninsecure = false',
  'unqualified-search-registries = ["a.test", ""]',
  'unqualified-search-registries = "a.test"',
  'credential-helpers = ["../x"]',
  'short-name-mode = "Enforcing"',
  '[aliases]\nimg = "reg.test/img:1"',
  '[aliases]\nimg = "ns/img"',
  '[aliases]\nIMG = "reg.test/img"',
  '[aliases]\n"img:1" = "reg.test/img"',
  '[aliases]\nimg = 1',
  'aliases = ["img"]',
  '[registries.search]\nregistries = ["a.test"]\n[[registry]]\nlocation = "b.test"',
  '[registries.block]\nregistries = ["a.test"]\n[aliases]\nx = "a.test/x"',
  '[aliases]\nimg = "REG/img"',
];

for (const text of REFUSED) {
  test(`parseRegistriesFile refuses ${JSON.stringify(text)}`, async () => {
    await assert.rejects(
      parse(text),
      (error) => hasCode(error, 'CONFIG_INVALID') && error.details['what'] === NAME,
    );
  });
}

test('a TOML syntax error is reported with file and line', async () => {
  await assert.rejects(
    parse('a = 1\n[[registry]]\nlocation = "a.test\n'),
    (error) =>
      hasCode(error, 'CONFIG_INVALID') &&
      error.details['line'] === 3 &&
      /line 3/.test(error.message),
  );
});

test('keys are matched in any case: "Blocked" blocks a registry as other tools do', async () => {
  const { tables } = await parse('[[Registry]]\nLocation = "a.test/"\nBlocked = true');
  const [table] = tables;
  assert.deepEqual(table, {
    file: NAME,
    prefix: 'a.test',
    location: 'a.test',
    insecure: false,
    blocked: true,
    mirrors: [],
  });
});

test('the first of two tables with one prefix applies', async () => {
  const { tables } = await parse(
    '[[registry]]\nprefix="p.test"\nlocation="a.test"\n[[registry]]\nprefix="p.test"\nlocation="b.test"',
  );
  assert.deepEqual(
    tables.map(({ location }) => location),
    ['a.test'],
  );
});

test('an empty list of search registries differs from an absent one', async () => {
  assert.deepEqual((await parse('unqualified-search-registries = []')).searchRegistries, []);
  assert.equal((await parse('')).searchRegistries, undefined);
});

test('mirror-by-digest-only makes every mirror digest-only, and x-onecopy-ns sets wantsNamespace', async () => {
  const { tables } = await parse(
    '[[registry]]\nlocation="a.test"\nmirror-by-digest-only=true\n[[registry.mirror]]\nlocation="m.test"\nx-onecopy-ns=true',
  );
  const [table] = tables;
  assert.deepEqual(table?.mirrors, [
    { location: 'm.test', insecure: false, pullFromMirror: 'digest-only', wantsNamespace: true },
  ]);
});

test('the file of learnt aliases is read for its aliases only', async () => {
  const text = '[aliases]\nimg = "reg.test/img"\n';
  assert.deepEqual(
    await parseAliasCache({ name: 'aliases', text }),
    new Map([['img', 'reg.test/img']]),
  );
});

test('a file truncated at any byte gives a value or CONFIG_INVALID', async () => {
  const whole =
    'unqualified-search-registries = ["a.test"]\n[[registry]]\nprefix = "*.b.test"\n[[registry.mirror]]\nlocation = "c.test"\npull-from-mirror = "tag-only"\n[aliases]\nx = "d.test/x"\n';
  for (let length = 0; length <= whole.length; length += 1) {
    try {
      await parse(whole.slice(0, length));
    } catch (error) {
      assert.ok(hasCode(error, 'CONFIG_INVALID'), `${length}: ${error}`);
    }
  }
});

test('parseRegistriesFile gives a value or CONFIG_INVALID for any text', async () => {
  const word = fc.constantFrom(
    '[[registry]]',
    '\n',
    'location',
    '=',
    '"a.test"',
    'true',
    '[',
    ']',
    '.',
    'mirror',
    '{',
    '}',
    ',',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 20 }), async (words) => {
      try {
        await parse(words.join(''));
      } catch (error) {
        assert.ok(isOnecopyError(error));
      }
    }),
  );
});
