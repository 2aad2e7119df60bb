package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/spanway/spanway/internal/ir"
	"github.com/spanway/spanway/internal/llm"
)

// Bounds of one look for credentials.
const (
	searchTime   = 10 * time.Second
	metadataTime = 2 * time.Second // of a machine's metadata service, which most machines do not have
	requestTime  = 4 * time.Second // of one HTTP request
	tries        = 2
)

// sessionName is the role session's name where none is set (STS API reference, AssumeRole, RoleSessionName).
const sessionName = "spanway"

// source is where the credentials of a backend come from.
type source struct {
	conf   ir.AWS
	region string
}

// load looks for credentials, everywhere anew. Its error is an *llm.Error.
func (s source) load(ctx context.Context) (*found, error) {
	if s.conf.AccessKeyID != "" && s.conf.RoleARN == "" {
		return &found{credentials: s.static()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	cfg, err := s.config(ctx)
	if err != nil {
		return nil, s.fail(err)
	}
	provider := cfg.Credentials
	if s.conf.RoleARN != "" {
		provider = s.role(&cfg)
	} else if sdk.IsCredentialsProvider(provider, (*ec2rolecreds.Provider)(nil)) {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, metadataTime)
		defer stop()
	}
	c, err := provider.Retrieve(ctx)
	if err != nil {
		return nil, s.fail(err)
	}
	return &found{credentials: c, region: cfg.Region}, nil
}

func (s source) static() sdk.Credentials {
	return sdk.Credentials{AccessKeyID: s.conf.AccessKeyID, SecretAccessKey: string(s.conf.SecretAccessKey), SessionToken: string(s.conf.SessionToken)}
}

// config is the SDK's configuration: the environment, the shared files, and what of conf goes before them.
func (s source) config(ctx context.Context) (sdk.Config, error) {
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(requestTime)),
		config.WithRetryMaxAttempts(tries),
		config.WithLogger(logging.Nop{}), // what matters is in the error
	}
	if s.region != "" {
		options = append(options, config.WithRegion(s.region))
	}
	if s.conf.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(s.conf.Profile))
	}
	if s.conf.AccessKeyID != "" {
		options = append(options, config.WithCredentialsProvider(credentials.StaticCredentialsProvider{Value: s.static()}))
	}
	return config.LoadDefaultConfig(ctx, options...)
}

// role assumes the configured role: with a web identity's token where there is a file of it, else with the credentials of cfg.
func (s source) role(cfg *sdk.Config) sdk.CredentialsProvider {
	client := sts.NewFromConfig(*cfg, func(o *sts.Options) { o.Region = cmp.Or(o.Region, "us-east-1") })
	name := cmp.Or(s.conf.RoleSessionName, sessionName)
	if file := s.conf.WebIdentityTokenFile; file != "" {
		return stscreds.NewWebIdentityRoleProvider(client, s.conf.RoleARN, stscreds.IdentityTokenFile(file),
			func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = name })
	}
	return stscreds.NewAssumeRoleProvider(client, s.conf.RoleARN, func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = name })
}

// fail tells what to set, and AWS' code for what went wrong, but nothing of the texts: they hold names of roles, accounts
// and files.
func (s source) fail(err error) error {
	e := &llm.Error{Status: http.StatusInternalServerError, Type: Failure, Err: err}
	var api smithy.APIError
	var profile config.SharedConfigProfileNotExistError
	var call *smithy.OperationError
	switch {
	case errors.As(err, &profile):
		e.Message = "The AWS profile does not exist: check the backend's aws.profile or AWS_PROFILE, and the files ~/.aws/config and ~/.aws/credentials."
	case errors.As(err, &api):
		e.Status = http.StatusBadGateway
		e.Message = fmt.Sprintf("AWS gave no credentials (%s): check the role, its trust policy and the token or keys with which it is assumed.", word(api.ErrorCode()))
	case errors.As(err, &call) && call.Service() == sts.ServiceID:
		e.Status = http.StatusBadGateway
		e.Message = "AWS STS gave no credentials: it could not be reached, or there is nothing to prove an identity with. Check the backend's region, aws.webIdentityTokenFile or AWS_WEB_IDENTITY_TOKEN_FILE, and the network."
	case s.conf.WebIdentityTokenFile != "":
		e.Message = "There are no AWS credentials: the file of aws.webIdentityTokenFile could not be used."
	default:
		e.Message = "There are no AWS credentials: set the backend's key (a Bedrock API key), or its aws.accessKeyId and aws.secretAccessKey, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile (aws.profile, AWS_PROFILE), or a role (aws.roleArn, AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE)."
	}
	return e
}

// maxWord bounds an error code.
const maxWord = 64

// word is s when it is one word, as AWS' error codes are.
func word(s string) string {
	ok := s != "" && len(s) <= maxWord && strings.IndexFunc(s, func(r rune) bool {
		return r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
	if !ok {
		return "unknown error"
	}
	return s
}
