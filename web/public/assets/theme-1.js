// Set the chosen theme before the first paint; the page's own code comes too late and would flash.
// These files are served for good, like everything in assets/: change the number in the name when the content changes.
try {
  var theme = localStorage.getItem('holdfast.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch (e) { /* storage is off: the system's choice holds */ }
