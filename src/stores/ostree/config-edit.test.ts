import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withBoolean } from './config-edit.ts';

const set = (text: string, value = true) => withBoolean(text, 'composefs', 'unified', value);

test('a boolean is added in a new group or to its group, or replaced in place', () => {
  const core = '[core]\nrepo_version=1\nmode=bare\n';
  assert.equal(set(core), `${core}\n[composefs]\nunified=true\n`);
  assert.equal(set(`${core}\n`), `${core}\n[composefs]\nunified=true\n`);
  assert.equal(set('[core]\nmode=bare'), '[core]\nmode=bare\n\n[composefs]\nunified=true\n');
  const other = '[composefs]\n# kept\nother=1\n\n[core]\nunified=false\n';
  assert.equal(set(other), other.replace('[composefs]\n', '[composefs]\nunified=true\n'));
  assert.equal(
    set('[composefs]\nunified = false\n[core]\n'),
    '[composefs]\nunified=true\n[core]\n',
  );
  assert.equal(set('[composefs]\nunified = true\n'), undefined);
  assert.equal(set('[composefs]\nunified2=1\n'), '[composefs]\nunified=true\nunified2=1\n');
});
