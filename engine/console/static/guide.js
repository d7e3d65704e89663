// The guide of the playground, which is closed for as long as the browser's tab lives.

const byId = (id) => document.getElementById(id);

function showGuide(open) {
  byId('guide').hidden = !open;
  byId('guide-open').hidden = open;
}
function remember(open) {
  showGuide(open);
  byId(open ? 'guide-close' : 'guide-open').focus();
  try {
    sessionStorage.setItem('waybill-guide', open ? 'open' : 'closed');
  } catch {
    // It is then there again on the next visit.
  }
}
byId('guide-close').addEventListener('click', () => remember(false));
byId('guide-open').addEventListener('click', () => remember(true));
let closed = null;
try {
  closed = sessionStorage.getItem('waybill-guide');
} catch {
  // As at first.
}
showGuide(closed !== 'closed');
