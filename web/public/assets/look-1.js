// Set the chosen theme and text size before the first paint; the page's own code comes too late and would flash.
// These files are served for good, like everything in assets/: change the number in the name when the content changes.
try {
  for (var name of ['theme', 'text']) {
    var value = localStorage.getItem('holdfast.' + name);
    if (/^[a-z]+$/.test(value || '')) document.documentElement.dataset[name] = value;
  }
} catch (e) { /* storage is off: the system's choice holds */ }
