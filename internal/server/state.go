package server

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/gatehouse-iap/gatehouse/internal/sealing"
	"github.com/gatehouse-iap/gatehouse/internal/storage"
	"github.com/gatehouse-iap/gatehouse/internal/storage/sqlite"
)

// state is what lies in the data directory, opened and checked.
type state struct {
	store   *storage.DB
	ring    *sealing.Ring
	replica uint16
}

func (s *state) close() { _ = s.store.Close() }

// The names under which the store keeps words about itself.
const (
	metaCheck   = "root-key-check"
	metaReplica = "replica"
	metaMadeBy  = "made-by"
)

// rootKeyFile is the root key's name in the data directory.
const rootKeyFile = "root.key"

// openState opens the store and its root key, makes both when the directory is new, and refuses what does not
// belong together: a store without its key, a key that is not the store's, a directory of the other sort.
func openState(ctx context.Context, o Options) (*state, error) {
	store, err := sqlite.Open(ctx, o.DataDir)
	if err != nil {
		return nil, err
	}
	s := &state{store: store}
	if err := s.prepare(ctx, o); err != nil {
		s.close()
		return nil, fmt.Errorf("data directory %s: %w", o.DataDir, err)
	}
	return s, nil
}

func (s *state) prepare(ctx context.Context, o Options) error {
	if err := s.checkMaker(ctx, o.Dev); err != nil {
		return err
	}
	if err := s.openRing(ctx, filepath.Join(o.DataDir, rootKeyFile)); err != nil {
		return err
	}
	return s.readReplica(ctx)
}

// checkMaker keeps the emulator's public passwords out of production, and production's data out of the emulator.
func (s *state) checkMaker(ctx context.Context, dev bool) error {
	want := "serve"
	if dev {
		want = "dev"
	}
	maker, err := s.store.Meta(ctx, metaMadeBy)
	switch {
	case err != nil:
		return err
	case maker == nil:
		return s.store.SetMeta(ctx, metaMadeBy, []byte(want))
	case string(maker) != want:
		return fmt.Errorf("it was made by `gatehouse %s` and cannot be used by `gatehouse %s`; choose another directory", maker, want)
	}
	return nil
}

// openRing reads the root key. It is made only together with an empty store: a store that has lost its key must
// not start with another one, under which nothing that is sealed would open.
func (s *state) openRing(ctx context.Context, file string) error {
	check, err := s.store.Meta(ctx, metaCheck)
	if err != nil {
		return err
	}
	keys, err := sealing.ReadKeyFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if check != nil {
			return fmt.Errorf("%s is missing, and nothing that is sealed in the store opens without it: put it back, or start with an empty directory", file)
		}
		var key []byte
		key, err = sealing.CreateKeyFile(file)
		keys = [][]byte{key}
	}
	if err != nil {
		return err
	}
	if s.ring, err = sealing.NewRing(keys...); err != nil {
		return err
	}
	if check == nil {
		return s.store.SetMeta(ctx, metaCheck, s.ring.CheckValue())
	}
	if err := s.ring.Check(check); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func (s *state) readReplica(ctx context.Context) error {
	stored, err := s.store.Meta(ctx, metaReplica)
	if err != nil {
		return err
	}
	if len(stored) != 2 {
		stored = make([]byte, 2)
		rand.Read(stored) // never fails (crypto/rand)
		if err := s.store.SetMeta(ctx, metaReplica, stored); err != nil {
			return err
		}
	}
	s.replica = binary.BigEndian.Uint16(stored)
	return nil
}
