import { type Platform, parsePlatform } from '#work/pull-image';

/** The platform that `--platform` names; undefined without it. @throws FormatError PLATFORM_INVALID */
export function platformOption(text: string | undefined): Platform | undefined {
  return text === undefined ? undefined : parsePlatform(text);
}
