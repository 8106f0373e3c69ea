// Start the page.

import { mount } from 'svelte';
import '../css/tokens.css';
import '../css/base.css';
import { language, loadWords } from './lib/lang';
import App from './view/App.svelte';

await loadWords();
document.documentElement.lang = language;
const target = document.getElementById('app');
if (target) mount(App, { target });
