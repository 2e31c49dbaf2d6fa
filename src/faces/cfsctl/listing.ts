import { renderGrid } from './grid.ts';
import type { Setting } from './setting.ts';

/** A list of images, as JSON and as a table. */
export interface Listing {
  readonly documents: readonly object[];
  readonly header: readonly string[];
  readonly cells: readonly (readonly string[])[];
}

/** Prints a list of images as `--json` asks for; an empty one as a sentence. */
export async function printListing(setting: Setting, listing: Listing): Promise<undefined> {
  const { documents, header, cells } = listing;
  if (setting.given.has('json')) {
    await setting.print(JSON.stringify({ images: documents }, undefined, 2));
  } else if (documents.length === 0) {
    await setting.print('No images found');
  } else {
    await setting.write(renderGrid(header, cells));
  }
  return undefined;
}
