const ALPHANUMERICS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Twelve random alphanumerics for a temporary name. Not a secret: a collision is detected by EEXIST. */
export function randomName(): string {
  let name = '';
  for (let index = 0; index < 12; index += 1) {
    name += ALPHANUMERICS[Math.floor(Math.random() * ALPHANUMERICS.length)];
  }
  return name;
}
