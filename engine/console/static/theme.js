// Runs before the page is drawn, so that it does not flash in the other theme. The choice is the only thing the
// console keeps in the browser.
try {
  const theme = localStorage.getItem('waybill-theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing follows the system.
}
