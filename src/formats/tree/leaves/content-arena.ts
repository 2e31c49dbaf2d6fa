const PAGE_BYTES = 64 << 10;
/** Larger contents stay where they are: a page would waste too much of itself. */
const CONTENT_MAX = 1 << 10;
/** Places are numbers of 32 bits. */
const PAGES_MAX = 2 ** 32 / PAGE_BYTES;
const FIRST_BYTES = 1 << 10;
const NOTHING = new Uint8Array(0);

/** Small contents behind each other: a buffer for each would need more memory than most contents. */
export class ContentArena {
  readonly #pages: Uint8Array[] = [];
  #usedBytes = 0;

  /** Copies a content and returns its place; undefined if it is too large. */
  add(content: Uint8Array): number | undefined {
    const { length } = content;
    if (length === 0) return 0;
    if (length > CONTENT_MAX) return undefined;
    let page = this.#pages.at(-1);
    if (page === undefined || this.#usedBytes + length > page.length) {
      if (this.#pages.length === PAGES_MAX) return undefined;
      // The first page is small, as most trees in memory are.
      page = new Uint8Array(this.#pages.length === 0 ? FIRST_BYTES : PAGE_BYTES);
      this.#pages.push(page);
      this.#usedBytes = 0;
    }
    page.set(content, this.#usedBytes);
    const place = (this.#pages.length - 1) * PAGE_BYTES + this.#usedBytes;
    this.#usedBytes += length;
    return place;
  }

  /** The content at a place: a view. */
  read(place: number, length: number): Uint8Array {
    if (length === 0) return NOTHING;
    const at = place % PAGE_BYTES;
    return (this.#pages[Math.floor(place / PAGE_BYTES)] as Uint8Array).subarray(at, at + length);
  }
}
