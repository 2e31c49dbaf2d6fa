import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FormatError,
  HostError,
  isOnecopyError,
  renderErrorDocument,
  renderErrorText,
} from './index.ts';

const BELOW = new FormatError(
  'NUMBER_UNSAFE',
  'Cannot read size: 9007199254740992 is not a safe size',
  { offset: 8, what: 'size' },
  { hint: 'reject the file' },
);
const ABOVE = new HostError(
  'SYSCALL_FAILED',
  'Cannot open "x": EIO',
  { errno: 'EIO', syscall: 'openat', target: 'x' },
  { cause: BELOW },
);

test('an error renders as message, causes and the nearest hint', () => {
  assert.equal(
    renderErrorText(ABOVE),
    'Cannot open "x": EIO\n  cause: Cannot read size: 9007199254740992 is not a safe size\n  hint: reject the file',
  );
});

test('an error renders as a JSON document with code, details and causes', () => {
  assert.deepEqual(renderErrorDocument(ABOVE), {
    code: 'SYSCALL_FAILED',
    message: 'Cannot open "x": EIO',
    details: { errno: 'EIO', syscall: 'openat', target: 'x' },
    causes: ['Cannot read size: 9007199254740992 is not a safe size'],
    hint: 'reject the file',
  });
  assert.equal(renderErrorDocument(new Error('oops')).code, 'INTERNAL');
});

test('the exit status follows from the class of an error, unless its code has another one', () => {
  assert.equal(ABOVE.exitCode, 11);
  assert.equal(BELOW.exitCode, 7);
  const full = new HostError('NO_SPACE', 'Cannot write "x"', {
    errno: 'ENOSPC',
    syscall: 'write',
    target: 'x',
  });
  assert.equal(full.exitCode, 14);
});

test('isOnecopyError recognises errors by the brand symbol, not by the class', () => {
  assert.ok(isOnecopyError(ABOVE));
  assert.ok(!isOnecopyError(new Error('oops')));
  const foreign = Object.defineProperty(new Error('x'), Symbol.for('onecopy.error'), {
    value: true,
  });
  assert.ok(isOnecopyError(foreign));
});
