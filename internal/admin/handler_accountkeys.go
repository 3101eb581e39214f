package admin

// The keys of a service account are a collection below it.

func (a *Admin) getAccountKeys(c call) (any, error) {
	keys, err := a.AccountKeys(c.Context(), c.PathValue("name"))
	return list("keys", keys), err
}

func (a *Admin) postAccountKeys(c call) (any, error) {
	var request NewAccountKey
	if err := c.decode(&request); err != nil {
		return nil, err
	}
	return a.CreateAccountKey(c.Context(), c.actor, c.PathValue("name"), request)
}

func (a *Admin) postAccountKey(c call) (any, error) {
	id, verb, err := c.verb(c.PathValue("key"))
	if err != nil {
		return nil, err
	}
	if verb != "enable" && verb != "disable" {
		return nil, c.noRoute()
	}
	if err := c.decode(&empty{}); err != nil {
		return nil, err
	}
	return empty{}, a.SetAccountKeyDisabled(c.Context(), c.actor, c.PathValue("name"), id, verb == "disable")
}

func (a *Admin) removeAccountKey(c call) (any, error) {
	return empty{}, a.DeleteAccountKey(c.Context(), c.actor, c.PathValue("name"), c.PathValue("key"))
}
