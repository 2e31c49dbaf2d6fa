import { deepEqual, equal, throws } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type ErrorCode, hasCode } from '#base/errors';
import {
  checkCompatibility,
  createMeta,
  effectiveFormats,
  encodeMeta,
  equalMeta,
  parseMeta,
  versionsOf,
} from './meta.ts';

const INIT = JSON.parse(
  readFileSync(new URL('../../../../test/golden/cfsctl/cli/init.json', import.meta.url), 'utf8'),
) as { [key: string]: string }[];

function golden(name: string): string {
  const key = `meta.json of $W/${name}`;
  const step = INIT.find((entry) => key in entry);
  return step?.[key] ?? '';
}

function parse(document: unknown) {
  return parseMeta(Buffer.from(JSON.stringify(document)));
}

function withCode(code: ErrorCode) {
  return (error: unknown) => hasCode(error, code);
}

for (const [name, meta] of [
  ['h', createMeta('sha512')],
  ['r', createMeta('sha256')],
  ['v0', createMeta('sha512', { default: 0, extra: [] })],
  ['v21', createMeta('sha512', { default: 1, extra: [] })],
  ['v2g', createMeta('sha512', { default: 2, extra: [] })],
] as const) {
  test(`encodeMeta writes the bytes that cfsctl writes for repository ${name}`, () => {
    equal(Buffer.from(encodeMeta(meta)).toString(), golden(name));
    deepEqual(parseMeta(Buffer.from(golden(name))), meta);
  });
}

test('encodeMeta sorts extra formats, removes duplicates and omits an empty list', () => {
  const meta = createMeta('sha256', { default: 1, extra: [2, 0, 2] });
  deepEqual(JSON.parse(Buffer.from(encodeMeta(meta)).toString()).erofs_formats, {
    default: 1,
    extra: [0, 2],
  });
  deepEqual(versionsOf(meta.formats ?? { default: 1, extra: [] }), [1, 0, 2]);
  deepEqual(versionsOf({ default: 2, extra: [1, 2] }), [2, 1]);
});

for (const [why, document, expected] of [
  ['no features and no formats', { features: {} }, 2],
  ['the V1 feature alone', { features: { 'read-only-compatible': ['v1_erofs'] } }, 1],
  [
    'the V1 feature beside an explicit default of 2',
    { features: { 'read-only-compatible': ['v1_erofs'] }, erofs_formats: { default: 2 } },
    1,
  ],
  ['an explicit default of 0', { erofs_formats: { default: 0 } }, 0],
  ['an unknown key', { erofs_version: 1 }, 2],
] as const) {
  test(`the effective format of metadata with ${why} is V${expected}`, () => {
    const meta = parse({ version: 1, algorithm: 'fsverity-sha256-12', ...document });
    deepEqual(effectiveFormats(meta), { default: expected, extra: [] });
  });
}

for (const [why, document, code] of [
  ['a missing version', { algorithm: 'fsverity-sha256-12' }, 'REPO_METADATA_INVALID'],
  ['a fractional version', { version: 1.5, algorithm: 'x' }, 'REPO_METADATA_INVALID'],
  ['a missing algorithm', { version: 1 }, 'REPO_METADATA_INVALID'],
  ['an unknown hash', { version: 1, algorithm: 'fsverity-md5-12' }, 'FSVERITY_ALGORITHM_INVALID'],
  [
    'features that are a list',
    { version: 1, algorithm: 'fsverity-sha256-12', features: [] },
    'REPO_METADATA_INVALID',
  ],
  [
    'a feature that is a number',
    { version: 1, algorithm: 'fsverity-sha256-12', features: { compatible: [1] } },
    'REPO_METADATA_INVALID',
  ],
  [
    'an EROFS format of 7',
    { version: 1, algorithm: 'fsverity-sha256-12', erofs_formats: { default: 7 } },
    'REPO_METADATA_INVALID',
  ],
  [
    'EROFS formats without a default',
    { version: 1, algorithm: 'fsverity-sha256-12', erofs_formats: {} },
    'REPO_METADATA_INVALID',
  ],
  ['a list', [], 'REPO_METADATA_INVALID'],
] as const) {
  test(`parseMeta refuses ${why}`, () => {
    throws(() => parse(document), withCode(code));
  });
}

test('parseMeta refuses a file truncated at any byte', () => {
  const bytes = encodeMeta(createMeta('sha256'));
  for (let length = 0; length < bytes.length - 1; length += 1) {
    throws(() => parseMeta(bytes.subarray(0, length)), withCode('REPO_METADATA_INVALID'));
  }
});

test('checkCompatibility reports the version first, then unknown features', () => {
  const base = createMeta('sha256');
  const unknown = { compatible: ['a'], readOnlyCompatible: ['v1_erofs', 'b'], incompatible: ['c'] };
  throws(
    () => checkCompatibility({ ...base, version: 2, features: unknown }),
    withCode('REPO_VERSION_UNSUPPORTED'),
  );
  throws(
    () => checkCompatibility({ ...base, features: unknown }),
    withCode('REPO_FEATURE_UNKNOWN'),
  );
  deepEqual(checkCompatibility({ ...base, features: { ...unknown, incompatible: [] } }), {
    unknownReadOnly: ['b'],
  });
  deepEqual(checkCompatibility(base), { unknownReadOnly: [] });
});

test('equalMeta detects a different format', () => {
  equal(equalMeta(createMeta('sha256'), createMeta('sha256')), true);
  equal(equalMeta(createMeta('sha256'), createMeta('sha256', { default: 2, extra: [] })), false);
});
