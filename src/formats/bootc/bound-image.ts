/** Sections of quadlets that name an image, by file extension. Source: bootc, logically bound images. */
const SECTIONS: Readonly<Record<string, string>> = {
  image: '[Image]',
  container: '[Container]',
};

/**
 * The image that a quadlet names, in podman's form; undefined for another kind of file, without an image, or with a systemd
 * specifier, which bootc rejects.
 * @param name file name, which ends in `.image` or `.container`
 */
export function parseBoundImage(name: string, bytes: Uint8Array): string | undefined {
  const section = SECTIONS[name.slice(name.lastIndexOf('.') + 1)];
  if (section === undefined) return undefined;
  let isIn = false;
  let image: string | undefined;
  for (const line of Buffer.from(bytes).toString('utf8').split('\n')) {
    const text = line.trim();
    if (text.startsWith('[')) isIn = text === section;
    const value = isIn ? /^Image\s*=\s*(.*)$/.exec(text)?.[1] : undefined;
    if (value !== undefined) image = value.trim();
  }
  return image === undefined || image === '' || image.includes('%') ? undefined : image;
}
