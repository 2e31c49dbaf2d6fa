import type { ByteString } from '#base/bytes';
import { backingFileOf, openImage, walkImage } from '#formats/erofs';

/** Location of the content of a file of a composefs layer: an object by its path below `diff`, or inline in the image. */
export type ComposefsContent =
  | { readonly kind: 'object'; readonly path: ByteString }
  | { readonly kind: 'inline'; readonly bytes: Uint8Array };

/** Form of the paths of objects of such a layer; no other path is opened. */
const OBJECT_PATH = /^[0-9a-f]{2}\/[0-9a-f]{62}$/;

/**
 * Reads the contents of a composefs layer, by path without leading slash. Names such as `.wh.a` are plain files in it.
 * @throws FormatError EROFS_INVALID
 */
export function readComposefsNames(blob: Uint8Array): ReadonlyMap<ByteString, ComposefsContent> {
  const image = openImage(blob);
  const contents = new Map<ByteString, ComposefsContent>();
  for (const { path: name, inode } of walkImage(image)) {
    const path = name as ByteString;
    if (inode.type !== 'regular') continue;
    const { path: object } = backingFileOf(new Map(image.rawXattrs(inode)));
    if (object !== undefined && OBJECT_PATH.test(object)) {
      contents.set(path, { kind: 'object', path: object });
    } else if (inode.layout !== 'chunkBased') {
      contents.set(path, { kind: 'inline', bytes: image.readInline(inode) });
    }
  }
  return contents;
}
