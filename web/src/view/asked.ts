// What every answer on the page needs to say who wrote it: the presets, which may have asked for it.

import { createContext } from 'svelte';
import type { Preset } from '../api/schema';

export const [getPresets, setPresets] = createContext<() => readonly Preset[]>();
