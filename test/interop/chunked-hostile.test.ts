import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import type { ByteString } from '#base/bytes';
import { isOnecopyError } from '#base/errors';
import { previewImage } from '#work/preview';
import { ChunkedPlace } from '../support/chunked-place.ts';

const GOLDEN = new URL('../golden/chunked/', import.meta.url);
const IMAGES = ['neg', 'extra/neg'].flatMap((folder) =>
  readdirSync(new URL(`${folder}/`, GOLDEN)).map((name) => `${folder}/${name}`),
);

/** What becomes of those that are not refused: parts, or the whole blob because the table of contents is of no use. */
const ACCEPTED: Readonly<Record<string, string>> = {
  'neg/neg-ok': 'partial',
  'extra/neg/neg-chunk-type-unknown': 'whole',
  'extra/neg/neg-claimed-length-too-small': 'whole',
  'extra/neg/neg-position-trailing-text': 'whole',
  'extra/neg/neg-tarsplit-length-2e63': 'whole',
  'extra/neg/neg-toc-keys-uppercase': 'partial',
  'extra/neg/neg-toc-order-differs': 'partial',
  'extra/neg/neg-toc-size-float': 'whole',
  'extra/neg/neg-toc-time-offset': 'partial',
  'extra/neg/neg-toc-trailing-object': 'whole',
  'extra/neg/neg-toc-version-2': 'whole',
  'extra/neg/neg-trailer-odd-segments': 'partial',
};
/** Known to be wrong before anything of the blob was asked for. */
const AT_ONCE = new Set(['extra/neg/neg-both-toc-kinds']);

test('every odd or hostile layer is pulled in parts, taken whole, or refused with exit code 6 or 7', async () => {
  await using place = await ChunkedPlace.start(...IMAGES);
  for (const [at, image] of IMAGES.entries()) {
    const repository = await place.repository(`repo-${at}`, true);
    place.requests.length = 0;
    let verdict = 'refused';
    try {
      const { layers } = await place.pull(repository, image, { strategy: 'partial' });
      verdict = layers[0]?.route ?? '';
    } catch (error) {
      assert.ok(isOnecopyError(error), String(error));
      assert.ok([6, 7].includes(error.exitCode), `${image} exits with ${error.exitCode}`);
    }
    assert.equal(verdict, ACCEPTED[image] ?? 'refused', image);
    assert.ok(place.mostWholes <= 1, image);
    assert.equal(await lookAt(place, image), ACCEPTED[image] === undefined ? 'refused' : 'shown');
    // Each time one request is for the config.
    if (AT_ONCE.has(image)) assert.equal(place.requests.length, 2, image);
  }
});

/** What becomes of a layer whose files are read at their source. */
async function lookAt(place: ChunkedPlace, image: string): Promise<string> {
  try {
    const options = { ...place.registry, strategy: 'partial' as const };
    await using preview = await previewImage(place.reference(image), options);
    await preview.bring(preview.view.walk('/' as ByteString));
    return 'shown';
  } catch (error) {
    assert.ok(isOnecopyError(error) && [6, 7].includes(error.exitCode), String(error));
    return 'refused';
  }
}
