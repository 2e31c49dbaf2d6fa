import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseRoute, type Route, type RouteInput } from './route.ts';
import { bindingOf } from './state.ts';

const BASE: RouteInput = {
  operation: 'upgrade',
  isNative: false,
  binding: 'disabled',
  mode: undefined,
  flag: undefined,
  config: undefined,
  choice: 'state',
  canReflink: true,
};
const strict = { path: 'composefs', policy: 'zero-copy', isInStorage: true, mode: 'enabled' };
const copying = { ...strict, policy: 'if-possible', mode: 'enabled-with-copy' };
const bound = { path: 'composefs', policy: 'if-possible', isInStorage: false, mode: undefined };
const classic = { ...bound, path: 'classic' };
const install = { operation: 'install' } as const;
const unified = { flag: 'unified' } as const;

/** The route table, row by row. */
const ROWS: readonly (readonly [string, Partial<RouteInput>, object])[] = [
  ['install, flag', { ...install, ...unified }, strict],
  ['install, config enabled', { ...install, config: 'enabled' }, strict],
  [
    'install, flag and config enabled-with-copy',
    { ...install, ...unified, config: 'enabled-with-copy' },
    copying,
  ],
  ['install, config enabled-with-copy', { ...install, config: 'enabled-with-copy' }, copying],
  ['install, flag over config disabled', { ...install, ...unified, config: 'disabled' }, copying],
  ['install, bound only', { ...install, flag: 'bound-only' }, bound],
  ['install, nothing', { ...install }, classic],
  ['install, config disabled', { ...install, config: 'disabled' }, classic],
  ['upgrade, disabled', {}, classic],
  ['upgrade, bound only', { binding: 'bound-only' }, bound],
  ['upgrade, unified keeps enabled', { binding: 'unified', mode: 'enabled' }, strict],
  ['upgrade, unified keeps copies', { binding: 'unified', mode: 'enabled-with-copy' }, copying],
  ['switch, flag', { operation: 'switch', ...unified }, copying],
  [
    'switch, flag on an enabled host',
    { operation: 'switch', ...unified, binding: 'unified', mode: 'enabled' },
    strict,
  ],
  ['switch, by state', { operation: 'switch', binding: 'bound-only' }, bound],
  [
    'native, unified',
    { isNative: true, binding: 'unified', mode: 'enabled-with-copy' },
    { ...copying, path: 'native' },
  ],
  [
    'native, strict',
    { isNative: true, binding: 'unified', mode: 'enabled' },
    { ...strict, path: 'native' },
  ],
  ['native, otherwise', { isNative: true }, { ...bound, path: 'native' }],
  ['auto, unified and reflink', { choice: 'auto', binding: 'unified', mode: 'enabled' }, strict],
  ['auto, reflink', { choice: 'auto' }, bound],
  [
    'auto, no reflink',
    { choice: 'auto', canReflink: false, binding: 'unified', mode: 'enabled' },
    classic,
  ],
];

for (const [name, input, expected] of ROWS) {
  test(`chooseRoute gives the expected route for ${name}`, () => {
    assert.deepEqual(chooseRoute({ ...BASE, ...input }), expected satisfies object as Route);
  });
}

test('a host is bound by its bound flag or by its mode', () => {
  assert.equal(bindingOf(undefined, false), 'disabled');
  assert.equal(bindingOf('disabled', false), 'disabled');
  assert.equal(bindingOf('disabled', true), 'bound-only');
  assert.equal(bindingOf(undefined, true), 'bound-only');
  assert.equal(bindingOf('enabled', false), 'unified');
  assert.equal(bindingOf('enabled-with-copy', true), 'unified');
});
