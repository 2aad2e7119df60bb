package translate

type tlsPolicies struct{}

func (t *translator) startBackendTLS()  {}
func (t *translator) finishBackendTLS() {}
func (t *translator) classes()          {}
func (t *translator) gateways()         {}
func (t *translator) attach()           {}
func (t *translator) routes()           {}
func (t *translator) finishGateways()   {}
