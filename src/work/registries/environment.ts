import { userInfo } from 'node:os';
import type { ConfigEnvironment } from '#formats/containers-config';

/** The environment of this process; a home that is unset or empty comes from the password database, as in the other tools. */
export function hostEnvironment(): ConfigEnvironment {
  const home = process.env['HOME'];
  return {
    uid: process.getuid?.() ?? 0,
    home: home === undefined || home === '' ? userInfo().homedir : home,
    variables: process.env,
  };
}
