package daemon

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/config"
	"github.com/gatehouse-iap/gatehouse/internal/pages"
)

// loadPages reads the templates that a configuration names; nil where it names none. Each line of its error is one
// fault, with the directory.
func loadPages(c *config.Config) (*pages.Custom, error) {
	if c == nil || c.Pages.Templates == "" {
		return nil, nil
	}
	custom, err := pages.LoadCustom(c.Pages.Templates)
	if err != nil {
		return nil, errors.New(c.Pages.Templates + ": " + strings.ReplaceAll(err.Error(), "\n", "\n"+c.Pages.Templates+": "))
	}
	return custom, nil
}

// CheckPages tries out the templates that a configuration names. A directory that is not there is a fault of the
// configuration itself.
func CheckPages(c *config.Config) error {
	if c == nil || c.Pages.Templates == "" {
		return nil
	}
	if info, err := os.Stat(c.Pages.Templates); err != nil || !info.IsDir() {
		return nil
	}
	_, err := loadPages(c)
	return err
}

// startPages takes up the templates at start. With a fault the built-in pages are shown: nobody is kept out for the
// look of a page.
func (d *daemon) startPages() {
	d.watched[d.pages].begin()
	custom, err := loadPages(d.config)
	d.server.UsePages(custom)
	if err != nil {
		err = fmt.Errorf("%w\nthe built-in pages are shown until this is put right", err)
	}
	d.note(d.pages, err, true)
}

// takePages reads the templates again. Those with a fault are not taken up.
func (d *daemon) takePages() error {
	custom, err := loadPages(d.config)
	if err == nil {
		d.server.UsePages(custom)
	}
	return err
}
