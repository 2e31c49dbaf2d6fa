import { type ImageView, openImageView, type ViewEntry } from '#work/browse';
import { previewImage } from '#work/preview';
import { type Context, textOption } from '../context.ts';
import { UsageError } from '../output.ts';
import { readingOption } from '../reading-option.ts';
import { openIfPresent, openSelected } from '../repository.ts';
import { platformOption } from './platform.ts';

/** The files of an image of the repository, or of one that lies elsewhere. */
export interface OpenedView extends AsyncDisposable {
  readonly view: ImageView;
  /** Makes the contents of files readable. */
  bring(entries: Iterable<ViewEntry>): Promise<void>;
}

/** References whose images can be looked at where they lie. */
const REFERENCE = /^(?:oci|oci-archive|docker-archive|dir):/;

/** Opens what an operand names: an image of the selected repository, or a reference, which needs no repository. */
export async function openView(
  context: Context,
  name: string,
  options: Readonly<Record<string, unknown>>,
): Promise<OpenedView> {
  if (REFERENCE.test(name)) {
    const platform = platformOption(textOption(options, 'platform'));
    const reading = readingOption(options);
    const form = await formOf(context);
    return await previewImage(name, { ...context.operation, ...form, platform, reading });
  }
  if (readingOption(options) !== undefined) {
    throw new UsageError(
      `Cannot look into "${name}": --compat applies to references, not to stored images`,
    );
  }
  const repository = await openSelected(context);
  try {
    const view = openImageView(repository, name);
    return {
      view,
      async bring() {},
      async [Symbol.asyncDispose]() {
        view[Symbol.dispose]();
        repository[Symbol.dispose]();
      },
    };
  } catch (error) {
    repository[Symbol.dispose]();
    throw error;
  }
}

/** The hash and the version that the selected repository would use, so that ids are those that it has or would have. */
async function formOf(context: Context) {
  using repository = await openIfPresent(context, true);
  if (repository === undefined) return {};
  return { algorithm: repository.algorithm, version: repository.formats.default };
}
