/**
 * Contents of other stores of this host, for pulls in parts: layers of containers-storage, and files of OSTree repositories. They may change or
 * vanish at any time; a pull verifies what it uses.
 *
 *     containers-storage: ─▶ layers, by path and size ──╮
 *     ostree-local: ─▶ payload links, trees of refs ────┴▶ ContentSource (work/contents) ─▶ plan of a layer
 */
export { type ForeignContents, openForeignContents } from './open.ts';
