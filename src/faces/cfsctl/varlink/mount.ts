import type { Answer, MethodCall } from '#faces/varlink';
import { mountDetached } from '#work/mount';
import type { Repository } from '#work/repository';

/** The options of a mount. */
interface MountRequest {
  readonly overlay?: boolean | null;
  readonly read_write?: boolean | null;
}

/** The number of descriptors that a mount expects, and received. */
export interface WrongFiles {
  readonly wanted: number;
  readonly found: number;
}

/** Checks the descriptors of a call; undefined if their number is right. */
export function refuseFiles({ parameters, files }: MethodCall): WrongFiles | undefined {
  const wanted = optionsOf(parameters).overlay === true ? 2 : 0;
  return files.length === wanted ? undefined : { wanted, found: files.length };
}

/** Mounts an image with the options of a call; the reply passes the mount. @throws as `mountDetached` */
export function mountFor(
  { parameters, files }: MethodCall,
  repository: Repository,
  imageId: string,
  label: string,
): Answer {
  const { read_write: readWrite } = optionsOf(parameters);
  const [upper, work] = files.map(({ fd }) => `/proc/self/fd/${fd}`);
  const writable = upper === undefined || work === undefined ? undefined : { upper, work };
  const readOnly = writable === undefined || readWrite !== true;
  const { mount } = mountDetached(repository, imageId, { label, writable, readOnly });
  return { parameters: { fd_index: 0 }, files: [mount] };
}

function optionsOf(parameters: MethodCall['parameters']): MountRequest {
  return parameters['options'] as MountRequest;
}
