/** True in `npm run prove -- tests`: tests that loop over many cases then take all of them, otherwise a sample. */
export const IS_LONG = process.env['ONECOPY_LONG'] === '1';

/** How many cases a test takes. @param long in `npm run prove -- tests` */
export function cases(sample: number, long: number): number {
  return IS_LONG ? long : sample;
}

/** The cases that a test takes: all in `npm run prove -- tests`, otherwise every n-th, so that the sample has cases of each kind. */
export function sampled<Case>(all: readonly Case[], sample: number): readonly Case[] {
  if (IS_LONG || sample >= all.length) return all;
  return Array.from(
    { length: sample },
    (_, at) => all[Math.floor((at * all.length) / sample)],
  ) as Case[];
}
