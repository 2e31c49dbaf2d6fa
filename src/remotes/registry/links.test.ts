import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextLink } from './links.ts';

const LINKS: Readonly<Record<string, string | undefined>> = {
  '</v2/a/tags/list?n=2&last=b>; rel="next"': '/v2/a/tags/list?n=2&last=b',
  '<https://reg.test/x>;rel=next': 'https://reg.test/x',
  '<a>; rel=prev, <b>; title="x, <c>; rel=next"; rel="next last"': 'b',
  '<a>;REL="Next"': 'a',
  '<a> ; rel = "next" , <b>; rel=next': 'a',
  '<a>; rel=prev': undefined,
  '<a>; title="rel=next"': undefined,
  '<a>': undefined,
  'a; rel=next': undefined,
  '<a>; rel="next': undefined,
  '': undefined,
};

for (const [header, expected] of Object.entries(LINKS)) {
  test(`nextLink reads ${header === '' ? 'no header' : header}`, () => {
    assert.equal(nextLink(header), expected);
  });
}

test('a hostile Link header is read within the time limit', () => {
  for (const header of [
    `<a>${'; a'.repeat(20_000)}`,
    `<a>${' '.repeat(60_000)}x`,
    `<a>; rel="${'\\"'.repeat(30_000)}`,
    `${'<a>; rel=prev,'.repeat(4_000)}<`,
    `<a>${'; rel='.repeat(10_000)}`,
  ]) {
    const start = performance.now();
    assert.equal(nextLink(header), undefined);
    assert.ok(performance.now() - start < 500, header.slice(0, 20));
  }
});
