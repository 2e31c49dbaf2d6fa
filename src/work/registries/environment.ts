import { userInfo } from 'node:os';
import type { ConfigEnvironment } from '#formats/containers-config';
import { outerUid } from '#host';

/** The environment of this process; a home that is unset or empty comes from the password database, as in the other tools. */
export function hostEnvironment(): ConfigEnvironment {
  const home = process.env['HOME'];
  return {
    uid: outerUid(),
    home: home === undefined || home === '' ? userInfo().homedir : home,
    variables: process.env,
  };
}
