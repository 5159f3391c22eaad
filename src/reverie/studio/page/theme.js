// Before anything is drawn: the light or dark that was chosen here, where one was.
{
  const theme = localStorage.getItem("reverie.theme");
  if (theme) document.documentElement.dataset.theme = theme;
}
