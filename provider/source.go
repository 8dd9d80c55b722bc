package provider

// Source is a [Provider] with what it can do besides: nil and false is what it cannot.
// [SourceOf] asks once, and everybody else reads.
type Source struct {
	Provider
	Lister          Lister
	Watcher         Watcher
	GroupFinder     GroupFinder
	PasswordChanger PasswordChanger
	KeyRegistrar    KeyRegistrar
	LossReporter    LossReporter
	VerdictGiver    VerdictGiver
	CardProver      CardProver
	Limited         Limited
	Disowner        Disowner
	Fleet           Fleet
	Requester       Requester
	SSHTrust        SSHTrust
	IdentityService IdentityService
	Verifier        Verifier
	Follower        Follower
	// StaticEpoch tells that it is a [StaticEpoch].
	StaticEpoch bool
	deferred    *Deferred
}

// SourceOf finds out what a provider can do.
func SourceOf(p Provider) Source {
	if d, is := p.(*Deferred); is {
		return d.source()
	}
	s := Source{Provider: p}
	s.Lister, _ = p.(Lister)
	s.Watcher, _ = p.(Watcher)
	s.GroupFinder, _ = p.(GroupFinder)
	s.PasswordChanger, _ = p.(PasswordChanger)
	s.KeyRegistrar, _ = p.(KeyRegistrar)
	s.LossReporter, _ = p.(LossReporter)
	s.VerdictGiver, _ = p.(VerdictGiver)
	s.CardProver, _ = p.(CardProver)
	s.Limited, _ = p.(Limited)
	s.Disowner, _ = p.(Disowner)
	s.Fleet, _ = p.(Fleet)
	s.Requester, _ = p.(Requester)
	s.SSHTrust, _ = p.(SSHTrust)
	s.IdentityService, _ = p.(IdentityService)
	s.Verifier, _ = p.(Verifier)
	s.Follower, _ = p.(Follower)
	_, s.StaticEpoch = p.(StaticEpoch)
	return s
}

// Unready says why the source cannot be used yet, as an [UnreadyError]; nil: it can.
func (s Source) Unready() error {
	if s.deferred == nil {
		return nil
	}
	_, err := s.deferred.ready()
	return err
}
