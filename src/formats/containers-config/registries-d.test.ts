import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '#base/errors';
import { chooseAttachments, parseAttachmentFiles } from './registries-d.ts';

const parse = (...texts: readonly string[]) =>
  parseAttachmentFiles(texts.map((text, at) => ({ name: `${at}.yaml`, text })));
const ON = 'use-sigstore-attachments: true';

const REFUSED: readonly string[] = [
  `default-docker: &a {${ON}}`,
  `docker:\n  a: &x {${ON}}\n  b: *x`,
  'default-docker: !!map {}',
  `default-docker:\n  <<: {${ON}}`,
  `default-docker: {${ON}}\n---\ndocker: {}`,
  `default-docker: {use-sigstore-attachments: "true"}`,
  `default-docker: {use-sigstore-attachments: 1}`,
  `default-docker: {${ON}, ${ON}}`,
  'default-docker: [a]',
  'docker: text',
  '- a',
  'default-docker: {lookaside: [a]}',
  'docker: {[a]: {}}',
  'a: [',
];
for (const text of REFUSED) {
  test(`registries.d refuses ${JSON.stringify(text)}`, async () => {
    await assert.rejects(
      parse(text),
      (error) => hasCode(error, 'CONFIG_INVALID') && error.details['what'] === '0.yaml',
    );
  });
}

test('a YAML syntax error is reported with its line', async () => {
  await assert.rejects(
    parse('docker:\n  a: {}\n\tb: {}\n'),
    (error) => hasCode(error, 'CONFIG_INVALID') && error.details['line'] === 3,
  );
});

test('a scope without use-sigstore-attachments falls back to the next scope, and the default is off', async () => {
  const config = await parse(
    'docker:\n  a.test/x/img: {lookaside: "file:///l"}\n  a.test/x: {use-sigstore-attachments: off}\n',
    'default-docker: {use-sigstore-attachments: YES}\n',
  );
  const candidates = ['a.test/x/img:1', 'a.test/x/img', 'a.test/x', 'a.test'];
  assert.deepEqual(chooseAttachments(config, candidates), {
    isOn: false,
    file: '0.yaml',
    scope: 'a.test/x',
  });
  assert.deepEqual(chooseAttachments(config, ['b.test']), {
    isOn: true,
    file: '1.yaml',
    scope: 'default-docker',
  });
  assert.deepEqual(chooseAttachments(await parse('', '# nothing\n', 'other: 1\n'), candidates), {
    isOn: false,
    file: undefined,
    scope: undefined,
  });
});

test('booleans are accepted in every YAML spelling that other tools accept', async () => {
  const WORDS = {
    true: ['true', 'Yes', 'ON', 'y', '"yes"', "'on'"],
    false: ['FALSE', 'no', 'Off', 'N', '"n"'],
  };
  for (const [value, words] of Object.entries(WORDS)) {
    for (const word of words) {
      const { byDefault } = await parse(`default-docker: {use-sigstore-attachments: ${word}}`);
      assert.equal(String(byDefault?.useSigstoreAttachments), value, word);
    }
  }
  for (const word of ['"true"', "'Yes'", 'yEs', '1', '!!str true', '[]']) {
    await assert.rejects(
      parse(`default-docker:\n  use-sigstore-attachments: ${word}`),
      (error) => hasCode(error, 'CONFIG_INVALID'),
      word,
    );
  }
});

test('the old keys sigstore and sigstore-staging are read as lookaside keys', async () => {
  const { byDefault } = await parse(
    'default-docker:\n  sigstore: file:///l\n  sigstore-staging: file:///s',
  );
  assert.equal(byDefault?.lookaside, 'file:///l');
  assert.equal(byDefault?.lookasideStaging, 'file:///s');
});

test('5,000 scopes are read within the time limit', { timeout: 10_000 }, async () => {
  const scopes = Array.from({ length: 5_000 }, (_, at) => `  a.test/${at}: {}`).join('\n');
  assert.equal((await parse(`docker:\n${scopes}\n`)).scopes.size, 5_000);
});
